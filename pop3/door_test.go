package pop3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// from is a connection that seems to come from an address.
type from struct {
	net.Conn
	address string
}

func (f from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.address))
}

// pipeFrom begins a session of a client at an address, and reads its greeting.
func pipeFrom(t testing.TB, server *pop3.Server, address string) *piped {
	t.Helper()
	return rawPipeFrom(t, server, address).greeted(t)
}

func rawPipeFrom(t testing.TB, server *pop3.Server, address string) *piped {
	t.Helper()
	return rawPipe(t, server, context.Background(), func(conn net.Conn) net.Conn { return from{conn, address} })
}

// requireDisplaced fails the test unless the session made room for another.
func requireDisplaced(t testing.TB, p *piped) {
	t.Helper()
	err := <-p.over
	require.ErrorContains(t, err, "made room")
	p.ExpectClosed()
}

// requireAlive fails the test unless the session goes on.
func requireAlive(t testing.TB, sessions ...*piped) {
	t.Helper()
	for _, p := range sessions {
		require.Equal(t, "+OK capabilities follow", p.Command("CAPA"))
		p.Body()
	}
}

// MaxBeforeLogin: a newcomer takes the place of the oldest connection without a
// login, of the address that has the most of them. Nobody who has logged in is
// displaced, and an address with few is not either.
func TestMaxBeforeLogin(t *testing.T) {
	server := insecure(newFakeHost("one"))
	server.MaxConnections, server.MaxBeforeLogin = 10, 4
	member := pipeFrom(t, server, "192.0.2.1:1")
	member.Login("demo", "secret")
	few := pipeFrom(t, server, "192.0.2.2:1")
	first := pipeFrom(t, server, "192.0.2.3:1")
	second := pipeFrom(t, server, "192.0.2.3:2")
	third := pipeFrom(t, server, "192.0.2.3:3")
	newcomer := pipeFrom(t, server, "192.0.2.4:1")
	requireDisplaced(t, first)
	requireAlive(t, member, few, second, third, newcomer)

	// Of addresses with as many each, the oldest goes.
	another := pipeFrom(t, server, "192.0.2.5:1")
	requireDisplaced(t, second)
	last := pipeFrom(t, server, "192.0.2.6:1")
	requireDisplaced(t, few)
	requireAlive(t, member, third, newcomer, another, last)
	newcomer.Login("demo", "secret") // makes room
	requireAlive(t, pipeFrom(t, server, "192.0.2.7:1"), member, third, newcomer, another, last)

	stats := server.Stats()
	require.Equal(t, 6, stats.Open)
	require.Equal(t, 4, stats.BeforeLogin)
	require.EqualValues(t, 3, stats.TurnedAway)
}

// An address that floods the server displaces its own connections, also those of
// an address that has as many: the newcomer counts as well.
func TestAFloodMakesRoomForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost("one"))
		server.MaxConnections, server.MaxBeforeLogin = 10, 6
		one, two := pipeFrom(t, server, "192.0.2.1:1"), pipeFrom(t, server, "192.0.2.1:2")
		other, another := pipeFrom(t, server, "192.0.2.2:1"), pipeFrom(t, server, "192.0.2.2:2")
		flood := []*piped{pipeFrom(t, server, "192.0.2.3:1"), pipeFrom(t, server, "192.0.2.3:2")}
		for port := 3; port < 20; port++ {
			flood = append(flood, pipeFrom(t, server, fmt.Sprint("192.0.2.3:", port)))
			requireDisplaced(t, flood[0])
			flood = flood[1:]
		}
		requireAlive(t, one, two, other, another)

		newcomer := pipeFrom(t, server, "192.0.2.4:1")
		requireDisplaced(t, one)
		requireAlive(t, two, other, another, newcomer)
	})
}

// While those that were accepted do not get on, since all processors are busy, no
// more than twice MaxConnections are accepted: the process must not run out of
// files.
func TestNoMoreAreAcceptedThanCanBeTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost("one"))
		server.MaxConnections = 10
		listener := &endlessListener{stuck: make(chan struct{}), closed: make(chan struct{})}
		over := make(chan error, 1)
		go func() { over <- server.Serve(listener) }()
		synctest.Wait()
		accepted := listener.accepted.Load()
		server.Close()
		close(listener.stuck)
		require.ErrorIs(t, <-over, pop3.ErrServerClosed)
		require.EqualValues(t, 2*10+1, accepted, "one more waits")
	})
}

// endlessListener accepts up to a thousand connections, which do not get on
// while they are stuck.
type endlessListener struct {
	accepted      atomic.Int64
	stuck, closed chan struct{}
	closeOnce     sync.Once
}

func (l *endlessListener) Accept() (net.Conn, error) {
	if l.accepted.Add(1) > 1000 {
		<-l.closed
	}
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
		return stuckConn{newScript(nil, 0), l.stuck}, nil
	}
}

func (l *endlessListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

func (l *endlessListener) Addr() net.Addr { return &net.TCPAddr{} }

type stuckConn struct {
	net.Conn
	stuck <-chan struct{}
}

func (c stuckConn) RemoteAddr() net.Addr {
	<-c.stuck
	return c.Conn.RemoteAddr()
}

// One that was displaced and has not left yet is not displaced again.
func TestADisplacedConnectionCountsNoMore(t *testing.T) {
	server := insecure(newFakeHost("one"))
	server.MaxBeforeLogin = 1
	leave := make(chan struct{})
	server.Hooks = &pop3.Hooks{Close: func(context.Context, *pop3.Conn, pop3.SessionInfo) { <-leave }}
	first := pipeFrom(t, server, "192.0.2.1:1")
	second := pipeFrom(t, server, "192.0.2.2:1")
	first.ExpectClosed()
	third := pipeFrom(t, server, "192.0.2.3:1")
	second.ExpectClosed()
	requireAlive(t, third)
	require.Equal(t, 1, server.Stats().Open)
	close(leave)
	requireDisplaced(t, first)
	requireDisplaced(t, second)
}

func TestTurningAwayWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost("one"))
		server.MaxConnections = 1
		loggedIn(t, server)
		began := time.Now()
		deaf := rawPipe(t, server, t.Context()) // does not read why
		require.Error(t, <-deaf.over)
		require.Equal(t, time.Second, time.Since(began))
	})
}

// The defaults: half of MaxConnections before the login, and 100 from an
// address.
func TestDefaultsOfTheDoor(t *testing.T) {
	for name, limit := range map[string]struct{ connections, beforeLogin, perAddress, addresses, want int }{
		"half":            {20, 0, -1, 20, 10},
		"all":             {20, 20, -1, 20, 20},
		"none":            {20, -1, -1, 20, 20},
		"one":             {1, 0, 0, 1, 1},
		"of an address":   {1000, 0, 0, 1, 100},
		"few of one":      {20, 0, 0, 1, 10},
		"more of one":     {1000, 0, 150, 1, 150},
		"any of one":      {400, 0, -1, 1, 200},
		"no limit at all": {-1, 0, -1, 1, 300},
		"no limit but":    {-1, 0, 0, 1, 100},
		"never reached":   {math.MaxInt, 0, 0, 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			server := insecure(newFakeHost())
			server.MaxConnections, server.MaxBeforeLogin, server.MaxPerAddress = limit.connections, limit.beforeLogin, limit.perAddress
			for i := range 300 {
				address := netip.AddrFrom4([4]byte{192, 0, 2, byte(i % limit.addresses)})
				pipeFrom(t, server, netip.AddrPortFrom(address, 1).String())
			}
			require.Equal(t, limit.want, server.Stats().BeforeLogin)
		})
	}
}

// MaxPerAddress counts sessions with and without a login. An IPv6 address is a
// network of 64 bits. What has no IP address is not counted.
func TestMaxPerAddress(t *testing.T) {
	for name, test := range map[string]struct {
		same  []string // addresses that count as one
		other string
	}{
		"IPv4":        {[]string{"192.0.2.1:1", "192.0.2.1:2", "[::ffff:192.0.2.1]:3"}, "192.0.2.2:1"},
		"IPv6":        {[]string{"[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::]:1", "[2001:db8:0:1::3]:1"}, "[2001:db8:0:2::1]:1"},
		"with a zone": {[]string{"[fe80::1%eth0]:1", "[fe80::2%eth0]:1", "[fe80::1]:1"}, "[fe80:0:0:1::1]:1"},
	} {
		t.Run(name, func(t *testing.T) {
			var log lockedBuffer
			server := insecure(newFakeHost("one"))
			server.MaxPerAddress = 2
			server.Logger = slog.New(slog.NewTextHandler(&log, nil))
			first := pipeFrom(t, server, test.same[0])
			first.Login("demo", "secret")
			silent := pipeFrom(t, server, test.same[1])
			next := pipeFrom(t, server, test.same[2])
			requireDisplaced(t, silent)
			next.Login("demo", "secret")

			refused := pipeFrom(t, server, test.same[1])
			require.Equal(t, "-ERR [SYS/TEMP] too many connections from your address, try again later", refused.Greeting)
			refused.ExpectClosed()
			requireAlive(t, first, next, pipeFrom(t, server, test.other))
			first.Quit()
			require.NoError(t, <-first.over)
			requireAlive(t, pipeFrom(t, server, test.same[1]), next)
		})
	}
	server := insecure(newFakeHost())
	server.MaxPerAddress = 1
	requireAlive(t, pipe(t, server), pipe(t, server), pipe(t, server))
}

func TestMaxPerAddressDisplacesTheOldest(t *testing.T) {
	server := insecure(newFakeHost("one"))
	server.MaxPerAddress = 2
	first := pipeFrom(t, server, "192.0.2.1:1")
	second := pipeFrom(t, server, "192.0.2.1:2")
	third := pipeFrom(t, server, "192.0.2.1:3")
	requireDisplaced(t, first)
	requireAlive(t, second, third)
}

// What is turned away is counted, told to a hook, and logged: not each of a
// flood, but how many there were.
func TestWhatIsTurnedAwayIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		server := insecure(newFakeHost("one"))
		server.MaxConnections = 1
		server.Logger = slog.New(slog.NewTextHandler(&log, nil))
		type key struct{}
		var told []string
		server.Hooks = &pop3.Hooks{Reject: func(ctx context.Context, nc net.Conn, err error) {
			told = append(told, ctx.Value(key{}).(string)+" "+nc.RemoteAddr().String()+" "+err.Error())
		}}
		member := pipe(t, server)
		member.Login("demo", "secret")
		refuse := func() {
			conn := newScript(nil, 0)
			server.ServeConn(context.WithValue(t.Context(), key{}, "context"), conn)
			require.Equal(t, "-ERR [SYS/TEMP] too many connections, try again later\r\n", conn.out.String())
		}
		for range 100 {
			refuse()
		}
		require.Len(t, told, 100)
		require.Equal(t, "context script pop3: -ERR [SYS/TEMP] too many connections, try again later", told[0])
		require.EqualValues(t, 100, server.Stats().TurnedAway)
		require.Equal(t, 1, strings.Count(log.String(), "turned away"))
		time.Sleep(10*time.Second - time.Nanosecond)
		refuse()
		require.Equal(t, 1, strings.Count(log.String(), "turned away"))
		time.Sleep(time.Nanosecond)
		refuse()
		require.Equal(t, 2, strings.Count(log.String(), "turned away"))
		require.Contains(t, log.String(), "more=100")
		require.Contains(t, log.String(), "remote=script")
		member.Quit()
	})
}

// So is what the handler turns away: its error is the host's to know, and the
// client has not said a word that would give the session a line in the log.
func TestWhatTheHandlerTurnsAwayIsNotSilent(t *testing.T) {
	var log lockedBuffer
	host := newFakeHost("one")
	host.set(inNewSession, func(context.Context) error { return errDisk })
	server := insecure(host)
	server.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for range 10 {
		require.Equal(t, "-ERR [SYS/TEMP] temporary failure, try again later\r\n", transcript(t, server, ""))
	}
	require.EqualValues(t, 10, server.Stats().TurnedAway)
	require.Equal(t, 1, strings.Count(log.String(), "on fire"), log.String())
}

// HandshakeTimeout: its default, another value, and none.
func TestHandshakeTimeout(t *testing.T) {
	tlsConfig := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	for name, limit := range map[string]timeLimit{
		"default": {0, 30 * time.Second},
		"custom":  {time.Second, time.Second},
		"none":    {-1, 3 * time.Minute}, // AuthTimeout
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(newFakeHost())
				server.HandshakeTimeout, server.TLSConfig = limit.field, tlsConfig
				client, conn := net.Pipe()
				p := &piped{conn: client, over: make(chan error, 1)}
				began := time.Now()
				go func() { p.over <- server.ServeConn(t.Context(), tls.Server(conn, tlsConfig)) }()
				limit.requireEnds(t, p, began)

				p = pipe(t, server)
				require.Equal(t, "+OK begin TLS", p.Command("STLS"))
				began = time.Now()
				limit.requireEnds(t, p, began)
			})
		})
	}
}

// A handshake that begins late ends with AuthTimeout.
func TestAHandshakeEndsWithAuthTimeout(t *testing.T) {
	tlsConfig := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost())
		server.TLSConfig = tlsConfig
		began := time.Now()
		p := pipe(t, server)
		time.Sleep(3*time.Minute - time.Second)
		require.Equal(t, "+OK begin TLS", p.Command("STLS"))
		timeLimit{0, 3 * time.Minute}.requireEnds(t, p, began)
	})
}

// Handshakes that fail are counted and logged, once for a while.
func TestFailedHandshakesAreNotSilent(t *testing.T) {
	var log lockedBuffer
	server := pop3test.NewUnstartedServer(t, newFakeHost())
	server.Config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	reasons := make(chan pop3.Reason, 10)
	server.Config.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { reasons <- info.Reason }}
	server.Start(t)
	for range 3 {
		nc, err := net.Dial("tcp", server.AddrTLS)
		require.NoError(t, err)
		nc.Write([]byte("USER demo\r\n"))
		require.Equal(t, pop3.ReasonHandshake, <-reasons)
		nc.Close()
	}
	require.EqualValues(t, 3, server.Config.Stats().FailedHandshakes)
	require.Equal(t, 1, strings.Count(log.String(), "pop3: TLS handshake failed"), log.String())
	require.Contains(t, log.String(), "remote=127.0.0.1:")
}

// Admit is asked before the handshake and before the greeting.
func TestAdmit(t *testing.T) {
	server := pop3test.NewUnstartedServer(t, newFakeHost("one"))
	refused := errors.New("on a list")
	words := &pop3.Error{Text: "not you"}
	answers := make(chan error, 10)
	rejected := make(chan error, 10)
	server.Config.Admit = func(_ context.Context, nc net.Conn) error {
		require.NotNil(t, nc.RemoteAddr())
		return <-answers
	}
	server.Config.Hooks = &pop3.Hooks{
		Reject:  func(_ context.Context, _ net.Conn, err error) { rejected <- err },
		Connect: func(context.Context, *pop3.Conn) { rejected <- nil },
	}
	server.Start(t)

	answers <- refused
	client := server.Dial(t)
	require.Equal(t, temporaryAnswer, client.Greeting)
	client.ExpectClosed()
	require.Equal(t, refused, <-rejected)

	answers <- words
	require.Equal(t, "-ERR not you", server.Dial(t).Greeting)
	require.Equal(t, error(words), <-rejected)

	answers <- refused
	nc, err := net.Dial("tcp", server.AddrTLS)
	require.NoError(t, err)
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(pop3test.Patience))
	err = tls.Client(nc, server.ClientTLS()).Handshake()
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Equal(t, refused, <-rejected)

	answers <- nil
	server.Dial(t).Login("demo", "secret")
	require.NoError(t, <-rejected)
	require.EqualValues(t, 3, server.Config.Stats().TurnedAway)
}

// A server to which nobody can send a password says so when it begins to serve.
func TestServeWarnsIfNobodyCanLogIn(t *testing.T) {
	for name, test := range map[string]struct {
		insecure, tls, warns bool
	}{
		"neither":           {false, false, true},
		"AllowInsecureAuth": {true, false, false},
		"TLS":               {false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log lockedBuffer
			server := pop3test.NewUnstartedServer(t, newFakeHost())
			server.Config.AllowInsecureAuth = test.insecure
			server.Config.Logger = slog.New(slog.NewTextHandler(&log, nil))
			if !test.tls {
				server.Config.TLSConfig = nil
			}
			server.Start(t)
			server.Dial(t).Quit()
			require.Equal(t, test.warns, strings.Contains(log.String(), "nobody can log in"), log.String())
		})
	}
}
