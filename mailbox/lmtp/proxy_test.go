package lmtp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/lmtp"
)

var (
	loopback  = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	elsewhere = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
)

// PROXY protocol: the address of the client is in the trace.
func TestPROXY(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol, withTLS(t), func(r *running) { r.NoTrace, r.Proxies = false, loopback })
		for _, header := range []string{
			"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n",
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x00\x19",
		} {
			for _, encrypted := range []bool{false, true} {
				d := dial(t, r.address)
				io.WriteString(d.conn, header)
				d.begin(r, encrypted)
				d.play(toAlice + "C: DATA\nS: 354 *\nC: x\nC: .\n" + ok(protocol))
				mail := r.mail(t, "alice")
				require.Contains(t, mail[len(mail)-1], "Received: from client.example ([192.0.2.7])\r\n")
			}
		}
	})
}

func TestPROXYWithoutAHeader(t *testing.T) {
	rejected := make(chan error, 1)
	r := start(t, lmtp.SMTP, func(r *running) {
		r.Proxies, r.HandshakeTimeout = loopback, 50*time.Millisecond
		r.Hooks = &lmtp.Hooks{Reject: func(_ context.Context, _ net.Conn, err error) { rejected <- err }}
	})
	for _, text := range []string{"", "EHLO x\r\n", "PROXY TCP4 192.0.2.700 198.51.100.1 4711 25\r\n"} {
		d := dial(t, r.address)
		io.WriteString(d.conn, text)
		answer, _ := io.ReadAll(d.reader)
		require.NotContains(t, string(answer), "220")
		require.ErrorContains(t, <-rejected, "PROXY header")
	}
}

func TestPROXYFromSomebodyElse(t *testing.T) {
	r := start(t, lmtp.SMTP, func(r *running) { r.NoTrace, r.Proxies = false, elsewhere })
	d := dial(t, r.address)
	d.play("S: 220 *\nC: PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\nS: 500 5.5.1 *")
	d.sayHello(lmtp.SMTP)
	d.play(toAlice + "C: DATA\nS: 354 *\nC: x\nC: .\n" + ok(lmtp.SMTP))
	require.Contains(t, r.mail(t, "alice")[0], "([127.0.0.1])\r\n")
}

// XCLIENT, as Postfix sends it: the session begins anew, with the address of the
// client.
func TestXCLIENT(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol, withTLS(t), func(r *running) { r.NoTrace, r.XCLIENT = false, loopback })
		for attributes, want := range map[string]string{
			"NAME=client.example ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=x LOGIN=[UNAVAILABLE]": "[192.0.2.7]",
			"addr=IPV6:2001:db8::7":                    "[IPv6:2001:db8::7]",
			"ADDR=[UNAVAILABLE] PORT=[TEMPUNAVAIL]":    "[127.0.0.1]",
			"ADDR=192.0.2.8 DESTADDR=x DESTPORT=25":    "[192.0.2.8]",
			"ADDR=192.0.2.9\nS: 220 *\nC: XCLIENT X=1": "[192.0.2.9]",
		} {
			for _, encrypted := range []bool{false, true} {
				d := dial(t, r.address)
				d.begin(r, encrypted)
				d.play("C: XCLIENT " + attributes + "\nS: 220 mx.example.org *\nC: MAIL FROM:<>\nS: 503 5.5.1 *")
				d.sayHello(protocol)
				d.play(toAlice + "C: DATA\nS: 354 *\nC: x\nC: .\n" + ok(protocol))
				mail := r.mail(t, "alice")
				require.Contains(t, mail[len(mail)-1], "Received: from client.example ("+want+")\r\n")
			}
		}
		d := dial(t, r.address)
		d.play("S: 220 *\nC: XCLIENT ADDR=example.org\nS: 501 5.5.4 *\nC: XCLIENT ADDR\nS: 501 5.5.4 *\nC: XCLIENT ADDR=192.0.2.7 PORT=x\nS: 501 5.5.4 *")
		d.sayHello(protocol)
		d.play(toAlice + "C: XCLIENT ADDR=192.0.2.7\nS: 503 5.5.1 *")
	})
}

func TestXCLIENTFromSomebodyElse(t *testing.T) {
	for _, trusted := range [][]netip.Prefix{nil, elsewhere} {
		r := start(t, lmtp.SMTP, func(r *running) { r.XCLIENT = trusted })
		d := dial(t, r.address)
		d.hello(lmtp.SMTP)
		d.play("C: XCLIENT ADDR=192.0.2.7\nS: 550 5.7.0 *")
	}
}

// The connections of a proxy do not displace each other before it has said whose
// they are, nor if it says of none.
func TestXCLIENTOfManyAtOnce(t *testing.T) {
	r := start(t, lmtp.SMTP, func(r *running) { r.XCLIENT, r.MaxPerAddress = loopback, 2 })
	var proxies []*dialogue
	for range 5 {
		d := dial(t, r.address)
		d.play("S: 220 *")
		proxies = append(proxies, d)
	}
	for i, d := range proxies {
		d.play(fmt.Sprintf("C: XCLIENT NAME=x\nS: 220 *\nC: XCLIENT ADDR=192.0.2.%d\nS: 220 *", i))
	}
	require.Equal(t, 5, r.Stats().Open)
}

func TestXCLIENTCountsForTheClient(t *testing.T) {
	r := start(t, lmtp.SMTP, func(r *running) { r.XCLIENT, r.MaxPerAddress = loopback, 1 })
	d := dial(t, r.address)
	d.play("S: 220 *\nC: XCLIENT ADDR=192.0.2.7\nS: 220 *")
	d.sayHello(lmtp.SMTP)
	d.play(toAlice + "C: DATA\nS: 354 *")
	require.Eventually(t, func() bool { return r.Stats().Waiting == 0 }, patience, time.Millisecond, "its message is under way")
	other := dial(t, r.address)
	other.play("S: 220 *\nC: XCLIENT ADDR=192.0.2.7\nS: 421 4.7.0 *\nS: EOF")
	dial(t, r.address).play("S: 220 *\nC: XCLIENT ADDR=192.0.2.8\nS: 220 *")
}
