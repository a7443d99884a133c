package lmtp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/lmtp"
)

// What stands behind the addresses, and an answer to each that is wrong. None of
// these begins a message, or names a recipient.
func TestParameters(t *testing.T) {
	r := start(t, lmtp.SMTP)
	d := dial(t, r.address)
	d.hello(lmtp.SMTP)
	for _, fine := range []string{
		"mail from:<a@example.net>", "MAIL FROM: <a@example.net>", "MAIL FROM:a@example.net", "MAIL FROM:<>",
		"MAIL FROM:<a@example.net> size=0 body=7bit smtputf8", "MAIL FROM:<a@example.net>  BODY=8BITMIME ",
	} {
		d.play("C: " + fine + "\nS: 250 2.1.0 *\nC: RSET\nS: 250 *")
	}
	for wrong, answer := range map[string]string{
		"MAIL":                                  "501 5.5.4 MAIL FROM:<address> begins a message",
		"MAIL FROM":                             "501 5.5.4 MAIL FROM:<address> begins a message",
		"MAIL FROM:":                            "553 5.1.7 *",
		"MAIL FROM:<a>":                         "553 5.1.7 *",
		"MAIL FROM:<a@example.net> SIZE":        "501 5.5.4 *",
		"MAIL FROM:<a@example.net> SIZE=-1":     "501 5.5.4 *",
		"MAIL FROM:<a@example.net> SIZE=1k":     "501 5.5.4 *",
		"MAIL FROM:<a@example.net> BODY=BINARY": "501 5.5.4 *",
		"MAIL FROM:<a@example.net> SMTPUTF8=1":  "501 5.5.4 *",
		"MAIL FROM:<a@example.net> AUTH=<>":     "555 5.5.4 *",
		"MAIL FROM:<a@example.net> RET=FULL":    "555 5.5.4 *",
	} {
		d.play("C: " + wrong + "\nS: " + answer + "\nC: RCPT TO:<alice@example.org>\nS: 503 5.5.1 MAIL comes first\nC: NOOP\nS: 250 *")
	}
	d.play("C: MAIL FROM:<a@example.net>\nS: 250 *")
	for wrong, answer := range map[string]string{
		"RCPT":                                 "501 5.5.4 RCPT TO:<address> names a recipient",
		"RCPT FROM:<alice@example.org>":        "501 5.5.4 RCPT TO:<address> names a recipient",
		"RCPT TO:<>":                           "553 5.1.3 *",
		"RCPT TO:<alice>":                      "553 5.1.3 *",
		"RCPT TO:<alice@example.org> NOTIFY=x": "555 5.5.4 *",
	} {
		d.play("C: " + wrong + "\nS: " + answer + "\nC: DATA\nS: 503 5.5.1 No valid recipients: RCPT comes first\nC: NOOP\nS: 250 *")
	}
	d.play("C: RCPT TO:<POSTMASTER>\nS: 250 2.1.5 *\nC: DATA x\nS: 501 5.5.4 *\nC: DATA\nS: 354 *\nC: x\nC: .\nS: 250 *")
	require.Equal(t, []string{"x\r\n"}, r.mail(t, "postmaster"))
}
