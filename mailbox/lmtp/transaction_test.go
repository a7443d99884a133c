package lmtp_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/lmtp"
)

// MAIL within a transaction is refused (RFC 5321 section 4.1.4) and changes
// nothing: else the message would be acknowledged for recipients that do not get
// it.
func TestMAILWithinATransaction(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol)
		d := dial(t, r.address)
		d.hello(protocol)
		d.play("C: MAIL FROM:<a@example.net>\nS: 250 *\nC: MAIL FROM:<b@example.net>\nS: 503 5.5.1 *")
		d.play("C: RCPT TO:<alice@example.org>\nS: 250 *\nC: MAIL FROM:<b@example.net>\nS: 503 5.5.1 *")
		d.play("C: DATA\nS: 354 *\nC: for alice\nC: .\n" + ok(protocol))
		require.Equal(t, []string{"for alice\r\n"}, r.mail(t, "alice"))

		// Each of these ends a transaction, one that was refused begins none.
		d.play("C: MAIL FROM:<a@example.net>\nS: 250 *\nC: RSET\nS: 250 *")
		d.play("C: MAIL FROM:<a@example.net>\nS: 250 *")
		d.sayHello(protocol)
		d.play("C: MAIL FROM:<a@example.net> SIZE=100001\nS: 552 *")
		d.play(toAlice + "C: DATA\nS: 354 *\nC: again\nC: .\n" + ok(protocol))
		require.Len(t, r.mail(t, "alice"), 2)
	})
}

// A message of exactly the size that EHLO announces is taken (RFC 1870).
func TestTheLargestMessage(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol, func(r *running) { r.MaxMessageSize = 10 })
		d := dial(t, r.address)
		d.hello(protocol)
		d.play("C: MAIL FROM:<sender@example.net> SIZE=10\nC: RCPT TO:<alice@example.org>\nS: 250 *\nS: 250 *")
		d.play("C: DATA\nS: 354 *\nC: 12345678\nC: .\n" + ok(protocol))
		d.play(toAlice + "R: \"BDAT 10 LAST\\r\\n12345678\\r\\n\"\n" + ok(protocol))
		d.play(toAlice + "C: DATA\nS: 354 *\nC: 123456789\nC: .\nS: 552 5.3.4 *")
		require.Equal(t, []string{"12345678\r\n", "12345678\r\n"}, r.mail(t, "alice"))
	})
}

// A sender that stalls in the middle of a message has to send it again, on
// another connection. What it still sends on this one is not taken for
// commands.
func TestStalled(t *testing.T) {
	for name, message := range map[string]string{
		"in DATA":         "C: DATA\nS: 354 *\nC: half of it",
		"in a dot":        "C: DATA\nS: 354 *\nR: \"half of it\\r\\n.\"",
		"in a chunk":      `R: "BDAT 100 LAST\r\nhalf of it"`,
		"in a lost chunk": `R: "RSET\r\nBDAT 100 LAST\r\nhalf of it"` + "\nS: 250 *",
	} {
		for _, encrypted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", name, encrypted), func(t *testing.T) {
				protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
					synctest.Test(t, func(t *testing.T) {
						r := newServer(protocol)
						withTLS(t)(r)
						d, over := r.pipe(t)
						d.begin(r, encrypted)
						began := time.Now()
						d.play(toAlice + message + "\nS: 451 4.3.0 *")
						require.Equal(t, 5*time.Minute, time.Since(began))
						io.WriteString(d.conn, "NOOP\r\n") // the connection may be closed already
						rest, _ := io.ReadAll(d.reader)
						require.Empty(t, string(rest))
						require.ErrorIs(t, <-over, os.ErrDeadlineExceeded)
						require.Empty(t, r.mail(t, "alice"))
					})
				})
			})
		}
	}
}

// Between two chunks the client may say NOOP, and may break the message off (RFC
// 3030 section 2). Anything else is out of place.
func TestCommandsBetweenChunks(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol, withTLS(t))
		d := dial(t, r.address)
		d.hello(protocol)
		const chunk = toAlice + "R: \"BDAT 2\\r\\na\\r\"\nS: 250 2.0.0 2 octets received\n"
		d.play(chunk + `
			C: NOOP
			S: 250 2.0.0 OK
			C: VRFY alice
			S: 252 2.0.0 *
			C: MAIL FROM:<b@example.net>
			S: 503 5.5.1 A message comes by BDAT: end it by BDAT LAST or RSET
			C: RCPT TO:<bob@example.org>
			S: 503 5.5.1 *
			C: DATA
			S: 503 5.5.1 *
			C: XYZZY
			S: 500 5.5.1 *
			R: "BDAT 1 LAST\r\n\n"
		` + ok(protocol))
		require.Equal(t, []string{"a\r\n"}, r.mail(t, "alice"))

		nothing := "C: DATA\nS: 503 5.5.1 MAIL comes first\n"
		d.play(chunk + "C: RSET\nS: 250 *\n" + nothing)
		d.play(chunk)
		d.sayHello(protocol)
		d.play(nothing)
		d.play(chunk)
		d.secure(r)
		d.sayHello(protocol)
		d.play(nothing)
		d.play(chunk + "C: BDAT x\nS: 501 5.5.4 *\nS: EOF")
		d = dial(t, r.address)
		d.hello(protocol)
		d.play(chunk + "C: QUIT\nS: 221 *\nS: EOF")
		require.Len(t, r.mail(t, "alice"), 1)
	})
}

// A chunk for which there is no message is read, and answered, and the session
// goes on.
func TestAChunkWithoutRecipients(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol)
		chunk := quoted("BDAT 200000 LAST\r\n" + strings.Repeat("x", 200_000))
		const refused = "S: 503 5.5.1 No valid recipients: RCPT comes first\n"
		d := dial(t, r.address)
		d.play("S: 220 *\n" + chunk + refused)
		d.sayHello(protocol)
		d.play(chunk + refused)
		d.play("C: MAIL FROM:<a@example.net>\nS: 250 *\n" + chunk + refused)
		d.play("C: RCPT TO:<nobody@example.org>\nS: 550 *\n" + chunk + refused)
		d.play("C: RCPT TO:<alice@example.org>\nS: 250 *\nR: \"BDAT 3 LAST\\r\\nx\\r\\n\"\n" + ok(protocol))
		require.Equal(t, []string{"x\r\n"}, r.mail(t, "alice"))
	})
}
