package pop3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// drip sends a text an octet at a time, with a pause before each, and then the
// letter x for ever, until the connection ends. over is closed then.
func drip(conn io.Writer, text string, pause time.Duration) (over chan struct{}) {
	over = make(chan struct{})
	go func() {
		defer close(over)
		for octets := io.MultiReader(strings.NewReader(text), endlessly("x")); ; {
			time.Sleep(pause)
			if _, err := io.CopyN(conn, octets, 1); err != nil {
				return
			}
		}
	}()
	return over
}

// clientHello is how TLS begins: a record of 512 octets, and the first of them.
const clientHello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

// An octet now and then wins no time: each limit is one of the whole line, the
// whole handshake, the whole header, and begins when the server begins to wait.
func TestAnOctetNowAndThenWinsNoTime(t *testing.T) {
	config := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	const auth, handshake, idle = 3 * time.Minute, 30 * time.Second, 10 * time.Minute
	for name, test := range map[string]struct {
		ends   time.Duration
		reason pop3.Reason
		begin  func(*testing.T, *piped) (conn net.Conn, text string)
	}{
		"a command": {auth, pop3.ReasonNoLogin, func(t *testing.T, p *piped) (net.Conn, string) {
			return p.greeted(t).conn, "USER "
		}},
		"a long command": {auth, pop3.ReasonNoLogin, func(t *testing.T, p *piped) (net.Conn, string) {
			p.greeted(t).Send("AUTH PLAIN " + strings.Repeat("A", 60_000))
			return p.conn, ""
		}},
		"a response": {auth, pop3.ReasonNoLogin, func(t *testing.T, p *piped) (net.Conn, string) {
			require.Equal(t, "+ ", p.greeted(t).Command("AUTH PLAIN"))
			return p.conn, "AG1y"
		}},
		"a second response": {auth, pop3.ReasonNoLogin, func(t *testing.T, p *piped) (net.Conn, string) {
			p.greeted(t).Command("AUTH LOGIN")
			require.Equal(t, "+ UGFzc3dvcmQ6", p.Command("bXJvc2U="))
			return p.conn, "c2Vj"
		}},
		"a handshake": {handshake, pop3.ReasonHandshake, func(t *testing.T, p *piped) (net.Conn, string) {
			require.Equal(t, "+OK begin TLS", p.greeted(t).Command("STLS"))
			return p.conn, clientHello
		}},
		"the record header of a handshake": {handshake, pop3.ReasonHandshake, func(t *testing.T, p *piped) (net.Conn, string) {
			require.Equal(t, "+OK begin TLS", p.greeted(t).Command("STLS"))
			p.Send(clientHello[:2])
			return p.conn, "" // and then what is no length of one, which ends it at once
		}},
		"a record under TLS": {auth, pop3.ReasonNoLogin, func(t *testing.T, p *piped) (net.Conn, string) {
			p.greeted(t).STLS(&tls.Config{InsecureSkipVerify: true})
			return p.conn, "\x17\x03\x03\x02\x00"
		}},
		"a command after the login": {idle, pop3.ReasonIdle, func(t *testing.T, p *piped) (net.Conn, string) {
			p.greeted(t).Login("mrose", "secret")
			return p.conn, "RETR "
		}},
		"a record after the login": {idle, pop3.ReasonIdle, func(t *testing.T, p *piped) (net.Conn, string) {
			p.greeted(t).STLS(&tls.Config{InsecureSkipVerify: true})
			p.Login("mrose", "secret")
			return p.conn, "\x17\x03\x03\x02\x00"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newFakeStore("one").server()
				server.TLSConfig, server.MaxLine = config, 10_000
				var reason pop3.Reason
				server.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { reason = info.Reason }}
				p := rawPipe(t, server, t.Context())
				conn, text := test.begin(t, p)
				began := time.Now()
				conn.SetDeadline(noDeadline)
				over := drip(conn, text, test.ends/50)
				go io.Copy(io.Discard, conn) // alerts
				err := <-p.over
				require.Equal(t, test.reason, reason)
				if name == "the record header of a handshake" {
					require.Less(t, time.Since(began), test.ends)
				} else {
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					require.Equal(t, test.ends, time.Since(began))
				}
				conn.Close()
				<-over
			})
		})
	}
}

// The same from the first octet on: of a handshake on the port for TLS, and of the
// header of a proxy.
func TestAnOctetNowAndThenOfTheFirst(t *testing.T) {
	config := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	for name, test := range map[string]struct {
		text    string
		proxies []netip.Prefix
		serve   func(*pop3.Server, net.Listener) error
	}{
		"TCP alone":              {"", nil, (*pop3.Server).ServeTLS},
		"a handshake":            {clientHello, nil, (*pop3.Server).ServeTLS},
		"a header, version 2":    {"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x02\x00", loopback, (*pop3.Server).Serve},
		"a header, and TLS":      {"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x02\x00", loopback, (*pop3.Server).ServeTLS},
		"a header that is whole": {"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00" + clientHello, loopback, (*pop3.Server).ServeTLS},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(newFakeHost("one"))
				server.TLSConfig, server.Proxies = config, test.proxies
				client, conn := net.Pipe()
				listener := newOneListener(from{conn, "127.0.0.1:1"})
				over := make(chan error, 1)
				go func() { over <- test.serve(server, listener) }()
				began := time.Now()
				var dripped chan struct{}
				if test.text != "" {
					dripped = drip(client, test.text, time.Second)
				}
				io.Copy(io.Discard, client)
				took := time.Since(began)
				most := 30 * time.Second
				if name == "a header that is whole" { // each has its own
					most += 16 * time.Second
				}
				require.Equal(t, most, took.Truncate(time.Second))
				client.Close()
				if dripped != nil {
					<-dripped
				}
				server.Close()
				require.ErrorIs(t, <-over, pop3.ErrServerClosed)
			})
		})
	}
}

// oneListener accepts one connection.
type oneListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newOneListener(conn net.Conn) *oneListener {
	l := &oneListener{make(chan net.Conn, 1), make(chan struct{})}
	l.conns <- conn
	return l
}

func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneListener) Close() error {
	select {
	case <-l.closed:
		return errors.New("closed twice")
	default:
		close(l.closed)
		return nil
	}
}

func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }
