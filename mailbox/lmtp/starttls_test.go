package lmtp_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/lmtp"
)

func TestSTARTTLS(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol, withTLS(t), func(r *running) { r.NoTrace = false })
		d := dial(t, r.address)
		d.startTLS(r)
		d.play(toAlice + "C: DATA\nS: 354 *\nC: x\nC: .\n" + ok(protocol))
		mail := r.mail(t, "alice")
		require.Len(t, mail, 1)
		require.Contains(t, mail[0], "Received: from client.example ([127.0.0.1])\r\n\tby mx.example.org with "+
			map[lmtp.Protocol]string{lmtp.LMTP: "LMTPS", lmtp.SMTP: "ESMTPS"}[protocol]+" id ")
	})
}

// RFC 3207 section 4.2: what was said before TLS is forgotten.
func TestSTARTTLSForgets(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		names := make(chan string, 1)
		r := start(t, protocol, withTLS(t), func(r *running) {
			r.Hooks = &lmtp.Hooks{TLS: func(_ context.Context, c *lmtp.Conn, _ tls.ConnectionState) { names <- c.Hello() }}
		})
		d := dial(t, r.address)
		d.hello(protocol)
		d.play(toAlice)
		d.secure(r)
		require.Empty(t, <-names)
		first := "503 5.5.1 " + helloVerb(protocol) + " comes first"
		d.play("C: RCPT TO:<alice@example.org>\nS: " + first + "\nC: DATA\nS: " + first)
		d.sayHello(protocol)
		d.play("C: DATA\nS: 503 5.5.1 MAIL comes first")
	})
}

// What follows STARTTLS in the clear may be an attacker's: it is never taken for
// something that was said under TLS.
func TestNothingFollowsSTARTTLS(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		d := dial(t, start(t, protocol, withTLS(t)).address)
		d.hello(protocol)
		d.play("C: STARTTLS\nC: MAIL FROM:<attacker@example.net>\nS: 501 5.5.4 Nothing may follow STARTTLS before TLS\nS: EOF")
	})
}

func TestSTARTTLSOutOfPlace(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol, withTLS(t))
		d := dial(t, r.address)
		d.hello(protocol)
		d.play("C: STARTTLS now\nS: 501 5.5.4 STARTTLS has no argument")
		d.secure(r)
		d.sayHello(protocol)
		d.play("C: STARTTLS\nS: 503 5.5.1 TLS is active already\nC: QUIT\nS: 221 *\nS: EOF")

		d = dial(t, start(t, protocol).address)
		d.hello(protocol)
		d.play("C: STARTTLS\nS: 502 5.5.1 TLS is not offered here\nC: QUIT\nS: 221 *\nS: EOF")
	})
}
