package pop3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

var (
	loopback  = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	elsewhere = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
)

// seen is an authenticator that notes who logs in from where.
type seen struct{ logins chan mailbox.Login }

func (s seen) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	s.logins <- login
	return login.User, nil
}

func newProxied(t *testing.T, change func(*pop3.Server)) (*pop3test.Server, chan mailbox.Login) {
	logins := make(chan mailbox.Login, 10)
	server := pop3test.NewUnstartedServer(t, pop3.Login(seen{logins}, new(memory.Store)))
	change(server.Config)
	server.Start(t)
	return server, logins
}

// headers are PROXY headers for a client at an address, of both versions.
func headers(t *testing.T, client, server string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for version, name := range map[byte]string{1: "version 1", 2: "version 2"} {
		header := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(server)))
		if version == 2 {
			require.NoError(t, header.SetTLVs([]proxyproto.TLV{{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: bytes.Repeat([]byte("x"), 1000)}}))
		}
		var text strings.Builder
		_, err := header.WriteTo(&text)
		require.NoError(t, err)
		all[name] = text.String()
	}
	return all
}

// inWrites are what a proxy may write at once: a header of version 1 comes whole.
var inWrites = map[string]func(string) []string{
	"version 1": func(header string) []string { return []string{header} },
	"version 2": func(header string) []string { return strings.SplitAfter(header, "x") },
}

// PROXY protocol: a proxy that is trusted says which address the client has, in
// the clear and before TLS. Commands may stand right behind its header.
func TestPROXY(t *testing.T) {
	for _, client := range []string{"192.0.2.7:4711", "[2001:db8::7]:4711"} {
		server, logins := newProxied(t, func(s *pop3.Server) { s.Proxies = loopback })
		to := "198.51.100.1:110"
		if client[0] == '[' {
			to = "[2001:db8::1]:110"
		}
		for name, header := range headers(t, client, to) {
			t.Run(name+" "+client, func(t *testing.T) {
				for _, implicit := range []bool{false, true} {
					address := server.Addr
					if implicit {
						address = server.AddrTLS
					}
					conn, err := net.Dial("tcp", address)
					require.NoError(t, err)
					defer conn.Close()
					for _, part := range inWrites[name](header) {
						io.WriteString(conn, part)
					}
					if implicit {
						conn = tls.Client(conn, server.ClientTLS())
					}
					io.WriteString(conn, "USER mrose\r\nPASS x\r\nQUIT\r\n")
					answers, err := io.ReadAll(conn)
					require.NoError(t, err)
					require.True(t, strings.HasSuffix(string(answers), "+OK bye\r\n"), "%s", answers)
					login := <-logins
					require.Equal(t, client, login.Remote.String())
					require.Equal(t, to, login.Local.String())
					require.Equal(t, implicit, login.TLS != nil)
				}
			})
		}
	}
}

// A proxy's own connections have its own address.
func TestPROXYWithoutAClient(t *testing.T) {
	server, logins := newProxied(t, func(s *pop3.Server) { s.Proxies = loopback })
	local := "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for _, header := range []string{"PROXY UNKNOWN\r\n", local} {
		conn, err := net.Dial("tcp", server.Addr)
		require.NoError(t, err)
		defer conn.Close()
		io.WriteString(conn, header+"USER mrose\r\nPASS x\r\nQUIT\r\n")
		_, err = io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, conn.LocalAddr().String(), (<-logins).Remote.String())
	}
}

// A proxy that says nothing, or something else, is turned away: else its clients
// would have its address.
func TestPROXYWithoutAHeader(t *testing.T) {
	rejected := make(chan error, 1)
	server, logins := newProxied(t, func(s *pop3.Server) {
		s.Proxies, s.HandshakeTimeout = loopback, 50*time.Millisecond
		s.Hooks = &pop3.Hooks{Reject: func(_ context.Context, _ net.Conn, err error) { rejected <- err }}
	})
	for name, text := range map[string]string{
		"nothing":          "",
		"a command":        "USER mrose\r\n",
		"half a header":    "PROXY TCP4 192.0.2.7",
		"no addresses":     "PROXY TCP4\r\n",
		"wrong addresses":  "PROXY TCP4 192.0.2.700 198.51.100.1 4711 110\r\n",
		"too long a line":  "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n",
		"version 3":        "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c123456789012",
		"TLS":              "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"half of a second": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff1234",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Addr)
			require.NoError(t, err)
			defer conn.Close()
			io.WriteString(conn, text)
			answer, _ := io.ReadAll(conn)
			require.NotContains(t, string(answer), "+OK")
			require.ErrorContains(t, <-rejected, "PROXY header")
		})
	}
	require.Empty(t, logins)
}

// A header from anybody else is a client that knows no POP3: its address stays.
func TestPROXYFromSomebodyElse(t *testing.T) {
	for _, proxies := range [][]netip.Prefix{nil, elsewhere} {
		server, logins := newProxied(t, func(s *pop3.Server) { s.Proxies = proxies })
		client := server.Dial(t)
		require.Equal(t, "-ERR unknown command", client.Command("PROXY TCP4 192.0.2.7 198.51.100.1 4711 110"))
		client.Login("mrose", "x")
		require.True(t, (<-logins).Remote.(*net.TCPAddr).IP.IsLoopback())
	}
}

// XCLIENT: a proxy that is trusted says which address the client has, before the
// login.
func TestXCLIENT(t *testing.T) {
	conns := make(chan *pop3.Conn, 10)
	server, logins := newProxied(t, func(s *pop3.Server) {
		s.XCLIENT = loopback
		s.Hooks = &pop3.Hooks{Connect: func(_ context.Context, c *pop3.Conn) { conns <- c }}
	})
	client := server.Dial(t)
	conn := <-conns
	require.Equal(t, "+OK [XCLIENT] POP3 server ready", client.Greeting)
	require.Empty(t, capability(t, client, "XCLIENT"))
	client.Command("USER other")
	require.Equal(t, "+OK go on", client.Command("XCLIENT ADDR=192.0.2.7 PORT=4711 SESSION=abc/1 TTL=4 FORWARD="+base64.StdEncoding.EncodeToString([]byte("a=b\tc=d"))+" NEW=1"))
	require.Equal(t, "-ERR USER first", client.Command("PASS x"), "the name was another client's")
	require.Equal(t, &pop3.Forwarded{Session: "abc/1", Forward: "a=b\tc=d"}, conn.Forwarded())
	require.Equal(t, "+OK go on", client.Command("xclient addr=ipv6:2001:db8::7"))
	require.Equal(t, "[2001:db8::7]:0", conn.RemoteAddr().String())
	for _, wrong := range []string{"ADDR=example.org", "ADDR=fe80::1%eth0", "ADDR=192.0.2.7 PORT=65536", "ADDR=192.0.2.7 PORT=-1", "TTL=x", "FORWARD=!", "SESSION=" + strings.Repeat("x", 129), "SESSION=a\x01b"} {
		require.True(t, strings.HasPrefix(client.Command("XCLIENT "+wrong), "-ERR"), wrong)
		client.Command("CAPA")
		client.Body()
	}
	require.Equal(t, "-ERR argument missing", client.Command("XCLIENT"))
	client.Login("mrose", "x")
	require.Equal(t, "[2001:db8::7]:0", (<-logins).Remote.String())
	require.Equal(t, "-ERR already logged in", client.Command("XCLIENT ADDR=192.0.2.8"))
	require.Equal(t, "(no XCLIENT)", capability(t, client, "XCLIENT"))

	circle := server.Dial(t)
	require.Equal(t, "-ERR the proxies go round in a circle", circle.Command("XCLIENT TTL=0"))
}

func TestXCLIENTFromSomebodyElse(t *testing.T) {
	for _, trusted := range [][]netip.Prefix{nil, elsewhere} {
		server, logins := newProxied(t, func(s *pop3.Server) { s.XCLIENT = trusted })
		client := server.Dial(t)
		require.NotContains(t, client.Greeting, "XCLIENT")
		require.Equal(t, "(no XCLIENT)", capability(t, client, "XCLIENT"))
		require.Equal(t, "-ERR XCLIENT is for trusted proxies", client.Command("XCLIENT ADDR=192.0.2.7"))
		client.Login("mrose", "x")
		require.True(t, (<-logins).Remote.(*net.TCPAddr).IP.IsLoopback())
	}
}

// Limits and the brake count the client's address, not that of the proxy.
func TestXCLIENTCountsForTheClient(t *testing.T) {
	server, _ := newProxied(t, func(s *pop3.Server) { s.XCLIENT, s.MaxPerAddress = loopback, 2 })
	from := func(address string) string { return server.Dial(t).Command("XCLIENT ADDR=" + address) }
	require.Equal(t, "+OK go on", from("192.0.2.7"))
	require.Equal(t, "+OK go on", from("192.0.2.8"))
	require.Equal(t, "+OK go on", from("192.0.2.9"))
	first := server.Dial(t)
	require.Equal(t, "+OK go on", first.Command("XCLIENT ADDR=192.0.2.7"))
	first.Login("mrose", "x")
	second := server.Dial(t)
	require.Equal(t, "+OK go on", second.Command("XCLIENT ADDR=192.0.2.7")) // displaces the one that waits
	second.Login("mrose", "x")
	require.Contains(t, from("192.0.2.7"), "-ERR [SYS/TEMP] too many connections from")
	require.Equal(t, "+OK go on", from("192.0.2.10"))
}

// The connections of a proxy do not displace each other before it has said whose
// they are, nor if it says of none.
func TestXCLIENTOfManyAtOnce(t *testing.T) {
	server, _ := newProxied(t, func(s *pop3.Server) { s.XCLIENT, s.MaxPerAddress = loopback, 2 })
	var clients []*pop3test.Client
	for range 5 {
		clients = append(clients, server.Dial(t))
	}
	for i, client := range clients {
		require.Equal(t, "+OK go on", client.Command("XCLIENT SESSION=x"))
		require.Equal(t, "+OK go on", client.Command(fmt.Sprintf("XCLIENT ADDR=192.0.2.%d", i)))
	}
	require.Equal(t, 5, server.Config.Stats().Open)
}

// A server that ends does not wait for the header of a proxy.
func TestPROXYAndClose(t *testing.T) {
	for name, end := range map[string]func(*pop3.Server) error{
		"Shutdown": func(s *pop3.Server) error { return s.Shutdown(context.Background()) },
		"Close":    (*pop3.Server).Close,
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := newProxied(t, func(s *pop3.Server) { s.Proxies, s.HandshakeTimeout = loopback, -1 })
			conn, err := net.Dial("tcp", server.Addr)
			require.NoError(t, err)
			defer conn.Close()
			io.WriteString(conn, "PRO")
			later, err := net.Dial("tcp", server.Addr)
			require.NoError(t, err)
			defer later.Close()
			io.WriteString(later, "PROXY UNKNOWN\r\n")
			require.Equal(t, "+OK POP3 server ready\r\n", readLine(t, later)) // so the first was accepted too
			require.NoError(t, end(server.Config))
			conn.SetReadDeadline(time.Now().Add(pop3test.Patience))
			_, err = conn.Read(make([]byte, 1))
			require.Error(t, err)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	}
}
