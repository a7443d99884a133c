package pop3_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// RFC 2595 section 4: nothing of the clear is taken for something that was said
// under TLS, wherever the reads of the server end: the header of a proxy is read
// ahead into a buffer of its own, at whose end the command may stand.
func TestSTLSInjectionBehindAPROXYHeader(t *testing.T) {
	server, logins := newProxied(t, func(s *pop3.Server) { s.Proxies = loopback })
	seen := make(map[bool]bool)
	for padding := range 256 {
		header := proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.7:4711")),
			net.TCPAddrFromAddrPort(netip.MustParseAddrPort("198.51.100.1:110")))
		require.NoError(t, header.SetTLVs([]proxyproto.TLV{{Type: proxyproto.PP2_TYPE_NOOP, Value: bytes.Repeat([]byte("x"), padding)}}))
		text, err := header.Format()
		require.NoError(t, err)
		conn, err := net.Dial("tcp", server.Addr)
		require.NoError(t, err)
		conn.SetDeadline(time.Now().Add(pop3test.Patience))
		_, err = conn.Write(append(text, "STLS\r\nUSER mrose\r\nPASS x\r\nSTAT\r\n"...))
		require.NoError(t, err)
		answers, err := io.ReadAll(conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		conn.Close()
		hello, rest, _ := strings.Cut(string(answers), "\r\n")
		require.Equal(t, "+OK POP3 server ready", hello)
		// Either the server has seen that more came, or it is a broken handshake.
		refused := rest == "-ERR nothing may follow STLS before TLS\r\n"
		seen[refused] = true
		if !refused {
			begun, alert, _ := strings.Cut(rest, "\r\n")
			require.Equal(t, "+OK begin TLS", begun)
			require.NotContains(t, alert, "OK")
			require.NotContains(t, alert, "ERR")
		}
	}
	require.Empty(t, logins)
	require.Len(t, seen, 2, "no read has ended behind STLS")
}

// An exchange that began in the clear does not go on under TLS: STLS within one
// is a response, and what was a password there is no command after it.
func TestSTLSDoesNotKeepAnExchange(t *testing.T) {
	server, logins := newProxied(t, func(*pop3.Server) {})
	client := server.Dial(t)
	require.Equal(t, "+ VXNlcm5hbWU6", client.Command("AUTH LOGIN"))
	require.Equal(t, "+ UGFzc3dvcmQ6", client.Command("STLS"), "base64 of a name")
	require.Equal(t, "-ERR AUTH cancelled", client.Command("*"))
	client.STLS(server.ClientTLS())
	require.Equal(t, "-ERR unknown command", client.Command("c2VjcmV0"))
	require.Equal(t, "-ERR USER first", client.Command("PASS secret"))
	require.Empty(t, logins)
}

// RFC 2595 section 4: what was said in the clear is forgotten, the language of
// the texts too (RFC 6856), which an attacker in the middle may have chosen.
func TestSTLSForgetsTheLanguage(t *testing.T) {
	server, _ := newProxied(t, func(s *pop3.Server) {
		s.Languages = []pop3.Language{{Tag: "de", Name: "Deutsch", Translate: func(text string) string { return "auf Deutsch" }}}
	})
	client := server.Dial(t)
	require.Equal(t, "+OK de auf Deutsch", client.Command("LANG de"))
	require.Equal(t, "-ERR auf Deutsch", client.Command("NOSUCH"))
	client.STLS(server.ClientTLS())
	require.Equal(t, "-ERR unknown command", client.Command("NOSUCH"))
	require.Equal(t, "+OK de auf Deutsch", client.Command("LANG de"))
	require.Equal(t, "-ERR auf Deutsch", client.Command("NOSUCH"))
}

// XCLIENT before STLS stays good, as Dovecot's proxies count on, but who may say
// it does not change with it, and none is taken that came before TLS.
func TestSTLSAndXCLIENT(t *testing.T) {
	conns := make(chan *pop3.Conn, 10)
	server, logins := newProxied(t, func(s *pop3.Server) {
		s.XCLIENT = loopback
		s.Hooks = &pop3.Hooks{Connect: func(_ context.Context, c *pop3.Conn) { conns <- c }}
	})
	client := server.Dial(t)
	require.Equal(t, "+OK go on", client.Command("XCLIENT ADDR=192.0.2.7 SESSION=one"))
	client.STLS(server.ClientTLS())
	conn := <-conns
	require.Equal(t, "192.0.2.7:0", conn.RemoteAddr().String())
	require.Equal(t, "+OK go on", client.Command("XCLIENT ADDR=192.0.2.8"), "by the proxy, whatever its client's address is")
	client.Login("mrose", "x")
	require.Equal(t, "192.0.2.8:0", (<-logins).Remote.String())

	injected := server.Dial(t)
	injected.Send("STLS\r\nXCLIENT ADDR=192.0.2.9\r\n")
	require.Equal(t, "-ERR nothing may follow STLS before TLS", injected.Line())
	injected.ExpectClosed()
	require.NotEqual(t, "192.0.2.9:0", (<-conns).RemoteAddr().String())
}
