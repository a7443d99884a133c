package lmtp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
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

// What comes after STARTTLS in the clear is never taken for something that was
// said under TLS (RFC 3207 section 4.2): not what came with it, and not what came
// later.
func TestSTARTTLSInjection(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		injected := helloVerb(protocol) + " evil\r\n" + envelope + "DATA\r\nevil\r\n.\r\n"
		r := start(t, protocol, withTLS(t))
		d := dial(t, r.address)
		d.hello(protocol)
		d.play(quoted("STARTTLS\r\n"+injected) + "S: 501 5.5.4 Nothing may follow STARTTLS before TLS\nS: EOF")

		d = dial(t, r.address)
		d.hello(protocol)
		d.play("C: STARTTLS\nS: 220 2.0.0 *\n" + quoted(injected))
		answer, _ := io.ReadAll(d.reader)
		require.NotContains(t, string(answer), "250 ")
		require.Empty(t, r.mail(t, "alice"))
	})
}

// The server forgets what was said before TLS (RFC 3207 section 4.2): the name and
// the message.
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
		d.play(toAlice + "C: DATA\nS: 354 *\nC: x\nC: .\n" + ok(protocol))
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

// TLS from the first octet on; a client that speaks another protocol under it, or
// none, is not served.
func TestServeTLS(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := newServer(protocol)
		withTLS(t)(r)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		served := make(chan error, 1)
		go func() { served <- r.ServeTLS(listener) }()
		connect := func(names ...string) (*dialogue, error) {
			d := dial(t, listener.Addr().String())
			secure := tls.Client(d.conn, &tls.Config{RootCAs: r.roots, ServerName: "localhost", NextProtos: names})
			d.conn, d.reader = secure, bufio.NewReader(secure)
			return d, secure.Handshake()
		}
		for _, names := range [][]string{nil, {map[lmtp.Protocol]string{lmtp.LMTP: "lmtp", lmtp.SMTP: "smtp"}[protocol]}} {
			d, err := connect(names...)
			require.NoError(t, err)
			d.hello(protocol)
			d.play("C: STARTTLS\nS: 503 5.5.1 TLS is active already")
			d.play(toAlice + "C: DATA\nS: 354 *\nC: x\nC: .\n" + ok(protocol) + "C: QUIT\nS: 221 *\nS: EOF")
		}
		_, err = connect("http/1.1")
		require.Error(t, err)
		plain := dial(t, listener.Addr().String())
		io.WriteString(plain.conn, "EHLO client.example\r\n")
		answer, _ := io.ReadAll(plain.reader)
		require.NotContains(t, string(answer), "250")
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, lmtp.ErrServerClosed, <-served)
		require.Len(t, r.mail(t, "alice"), 2)
	})
}

// A message that is cut under TLS by the end of the connection, without a
// close_notify, is not delivered; one that has its end is.
func TestTLSIsCutWithoutCloseNotify(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		for message, want := range map[string]int{
			"C: DATA\nS: 354 *\nR: \"half\\r\\n.\\r\"":     0,
			`R: "BDAT 100 LAST\r\nhalf"`:                   0,
			`R: "BDAT 4\r\nhalf"` + "\nS: 250 *":           0,
			"C: DATA\nS: 354 *\nR: \"whole\\r\\n.\\r\\n\"": 1,
			`R: "BDAT 7 LAST\r\nwhole\r\n"`:                1,
		} {
			r := newServer(protocol)
			withTLS(t)(r)
			d, over := r.pipe(t)
			raw := d.conn
			d.startTLS(r)
			d.play(toAlice + message)
			raw.Close()
			<-over
			require.Len(t, r.mail(t, "alice"), want, message)
		}
	})
}
