package lmtp_test

import (
	"context"
	"io"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// An answer that may not wait for those behind it (RFC 2920 section 3.2) is sent
// before the host is asked for the next: above all that a message was delivered,
// since it would come twice if the connection broke meanwhile.
func TestAnswersThatDoNotWait(t *testing.T) {
	for name, test := range map[string]struct{ say, hear string }{
		"NOOP":      {"NOOP\r\n", "S: 250 2.0.0 OK\n"},
		"VRFY":      {"VRFY a\r\n", "S: 252 *\n"},
		"HELO":      {"HELO x\r\n", "S: 250 *\n"},
		"unknown":   {"XYZZY\r\n", "S: 500 *\n"},
		"a message": {envelope + "DATA\r\nx\r\n.\r\n", dataAnswers(lmtp.SMTP)},
		"a chunk":   {envelope + "BDAT 3 LAST\r\nx\r\n", "S: 250 2.1.0 *\nS: 250 2.1.5 *\n" + ok(lmtp.SMTP)},
	} {
		t.Run(name, func(t *testing.T) {
			asked, goOn := make(chan struct{}), make(chan struct{})
			r := start(t, lmtp.SMTP, func(r *running) {
				known := r.Directory
				r.Directory = directoryFunc(func(address string) (string, error) {
					if address == "bob@example.org" {
						close(asked)
						<-goOn
					}
					return known.Lookup(t.Context(), address)
				})
			})
			d := dial(t, r.address)
			defer close(goOn)
			d.hello(lmtp.SMTP)
			d.send(test.say + "MAIL FROM:<a@example.net>\r\nRCPT TO:<bob@example.org>\r\n")
			<-asked
			d.play(test.hear)
		})
	}
}

// So is the go-ahead for a message.
func TestDATAIsAnsweredBeforeTheStoreIsAsked(t *testing.T) {
	goOn := make(chan struct{})
	r := start(t, lmtp.SMTP, func(r *running) { r.Appender = waitingStore{r.store, goOn} })
	d := dial(t, r.address)
	defer close(goOn)
	d.hello(lmtp.SMTP)
	d.play(toAlice + "C: DATA\nS: 354 *")
}

// waitingStore is a store that begins when it may.
type waitingStore struct {
	mailbox.Appender
	goOn chan struct{}
}

func (s waitingStore) Append(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	<-s.goOn
	return s.Appender.Append(ctx, delivery, body)
}
