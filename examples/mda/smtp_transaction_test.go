package main

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// MAIL within a transaction is refused (RFC 5321 section 4.1.4) and changes
// nothing. go-smtp would let it through and keep the recipients. It would reply
// 250 for a message that was not delivered to them.
func TestMAILWithinATransaction(t *testing.T) {
	protocols(t, func(t *testing.T, protocol string) {
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
	protocols(t, func(t *testing.T, protocol string) {
		r := start(t, protocol, func(r *running) { r.maxSize = 10 })
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
		"in DATA":    "C: DATA\nS: 354 *\nC: half of it",
		"in a chunk": `R: "BDAT 100 LAST\r\nhalf of it"`,
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, protocol string) {
				for _, encrypted := range []bool{false, true} {
					t.Run(fmt.Sprintf("TLS %t", encrypted), func(t *testing.T) {
						t.Parallel()
						r := start(t, protocol, withTLS(t), func(r *running) { r.patience = 3 * time.Second })
						d := dial(t, r.address)
						if encrypted {
							d.startTLS(protocol)
						} else {
							d.hello(protocol)
						}
						d.play(toAlice + message + "\nS: 451 4.3.0 *")
						io.WriteString(d.conn, "NOOP\r\n") // the connection may be closed already
						rest, _ := io.ReadAll(d.reader)
						require.NotContains(t, string(rest), "250 ")
						require.Empty(t, r.mail(t, "alice"))
					})
				}
			})
		})
	}
}

// While a message comes by BDAT, go-smtp runs Data on a goroutine of its own
// and takes commands that change its connection. The race detector is the
// judge. Over LMTP it would find a race in go-smtp itself.
func TestCommandsBetweenChunks(t *testing.T) {
	for name, between := range map[string]func(*dialogue){
		"EHLO":     func(*dialogue) {},
		"STARTTLS": (*dialogue).secure,
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, "SMTP", withTLS(t), func(r *running) { r.trace = &trace{host: "mx.example.org"} })
			d := dial(t, r.address)
			d.hello("SMTP")
			d.play(toAlice + "C: BDAT 0\nS: 250 2.0.0 Continue")
			between(d)
			d.sayHello("SMTP")
			d.play("C: DATA\nS: 502 *") // that was the end of the message
			d.play(toAlice + "C: DATA\nS: 354 *\nC: x\nC: .\n" + ok("SMTP"))
			require.Len(t, r.mail(t, "alice"), 1)
		})
	}
}
