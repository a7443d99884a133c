package pop3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

const shutdownAnswer = "-ERR [SYS/TEMP] server shutting down\r\n"

// shutDown begins a Shutdown without a deadline.
func shutDown(server *pop3.Server) chan error {
	over := make(chan error, 1)
	go func() { over <- server.Shutdown(context.Background()) }()
	return over
}

func TestShutdownTellsIdleSessionsAndForgetsMarks(t *testing.T) {
	for name, prepare := range map[string]func(*piped){
		"before USER":        func(*piped) {},
		"after USER":         func(p *piped) { p.Command("USER demo") },
		"logged in":          func(p *piped) { p.Login("demo", "secret") },
		"with marks":         func(p *piped) { p.Login("demo", "secret"); p.Command("DELE 1") },
		"with half a line":   func(p *piped) { p.Login("demo", "secret"); p.Command("DELE 1"); p.Send("QUI") },
		"within AUTH":        func(p *piped) { p.Command("AUTH " + unknownMechanism) },
		"after a long wait":  func(p *piped) { p.Login("demo", "secret"); time.Sleep(9 * time.Minute) },
		"after some mistake": func(p *piped) { p.Command("XYZZY") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newHost("one", "two")
				var reason pop3.SessionInfo
				server := insecure(host)
				server.Hooks = &pop3.Hooks{Close: func(_ *pop3.Conn, info pop3.SessionInfo) { reason = info }}
				p := pipe(t, server)
				prepare(p)
				synctest.Wait()
				over := shutDown(server)
				require.Equal(t, shutdownAnswer, p.rest(t))
				require.NoError(t, <-over)
				require.ErrorIs(t, <-p.over, pop3.ErrServerClosed)
				require.Equal(t, "shutdown", reason.Reason)
				require.Empty(t, host.removed(), "marks that no QUIT has confirmed")
				require.Equal(t, 1, host.count(inSessionClose))
			})
		})
	}
}

// What runs is finished, what waits behind it is not begun.
func TestShutdownLetsARunningCommandFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newHost("Subject: x\n\n.dot\n", "two")
		reached, proceed := make(chan struct{}), make(chan struct{})
		host.set(amidRead, func(context.Context) error {
			host.set(amidRead, nil)
			close(reached)
			<-proceed
			return nil
		})
		server := insecure(host)
		p := loggedIn(t, server)
		p.Send("RETR 1\r\nDELE 2\r\nQUIT\r\n")
		<-reached
		over := shutDown(server)
		synctest.Wait()
		require.Empty(t, over, "Shutdown waits for the command")
		close(proceed)
		require.Equal(t, "+OK 20 octets\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"+shutdownAnswer, p.rest(t))
		require.NoError(t, <-over)
		require.Empty(t, host.removed())
	})
}

func TestShutdownLetsARemovalFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newHost("one", "two")
		reached, proceed := make(chan struct{}), make(chan struct{})
		host.set(inDelete, func(ctx context.Context) error {
			close(reached)
			<-proceed
			return ctx.Err()
		})
		server := insecure(host)
		p := loggedIn(t, server)
		p.Command("DELE 2")
		p.Send("QUIT\r\n")
		<-reached
		over := shutDown(server)
		synctest.Wait()
		close(proceed)
		require.Equal(t, "+OK bye\r\n", p.rest(t))
		require.NoError(t, <-over)
		require.NoError(t, <-p.over)
		require.Equal(t, []string{hostID(1)}, host.removed())
	})
}

// A removal does not stop halfway for anybody: not for Close, not for the end
// of the context, not for a client that has gone.
func TestP4RemovalOutlivesTheConnection(t *testing.T) {
	for name, end := range map[string]func(*pop3.Server, *piped, context.CancelFunc){
		"Close":       func(s *pop3.Server, _ *piped, _ context.CancelFunc) { s.Close() },
		"context":     func(_ *pop3.Server, _ *piped, cancel context.CancelFunc) { cancel() },
		"client gone": func(_ *pop3.Server, p *piped, _ context.CancelFunc) { p.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newHost("one", "two")
				reached, proceed := make(chan struct{}), make(chan struct{})
				host.set(inDelete, func(ctx context.Context) error {
					close(reached)
					<-proceed
					return ctx.Err()
				})
				server := insecure(host)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				p := rawPipe(t, server, ctx).greeted(t)
				p.Login("demo", "secret")
				p.Command("DELE 1")
				p.Send("QUIT\r\n")
				<-reached
				end(server, p, cancel)
				synctest.Wait()
				close(proceed)
				require.Error(t, <-p.over, "the client did not hear +OK")
				require.Equal(t, []string{hostID(0)}, host.removed())
				require.Equal(t, 1, host.count(inMailboxClose))
			})
		})
	}
}

func TestShutdownContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newHost("one")
		host.set(inOpen, hang)
		server := insecure(host)
		busy, idle := loggedIn(t, server), loggedIn(t, server)
		busy.Send("RETR 1\r\n")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		over := make(chan error, 1)
		go func() { over <- server.Shutdown(ctx) }()
		require.Equal(t, shutdownAnswer, idle.rest(t))
		require.ErrorIs(t, <-over, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
		require.Empty(t, busy.rest(t), "neither +OK nor -ERR for what did not finish")
		require.Error(t, <-busy.over)
		require.Equal(t, 2, host.count(inMailboxClose))
	})
}

func TestShutdownAgainAndBeforeServe(t *testing.T) {
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		return listener
	}
	for name, stop := range map[string]func(*pop3.Server) error{
		"Shutdown": func(s *pop3.Server) error { return s.Shutdown(context.Background()) },
		"Close":    func(s *pop3.Server) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			server := insecure(newHost())
			require.NoError(t, stop(server))
			require.NoError(t, stop(server))
			require.NoError(t, server.Shutdown(context.Background()))

			listener := listen()
			require.Equal(t, pop3.ErrServerClosed, server.Serve(listener))
			_, err := listener.Accept()
			require.ErrorIs(t, err, net.ErrClosed, "Serve closes the listener it was given")

			client, conn := net.Pipe()
			over := make(chan error, 1)
			go func() { over <- server.ServeConn(t.Context(), conn) }()
			answer, err := io.ReadAll(client)
			require.NoError(t, err)
			require.Equal(t, shutdownAnswer, string(answer))
			require.Equal(t, pop3.ErrServerClosed, <-over)
		})
	}
}

func TestShutdownEndsServe(t *testing.T) {
	server := pop3test.NewServer(t, newHost("one"))
	client := server.Dial(t)
	client.Login("demo", "secret")
	over := []chan error{shutDown(server.Config), shutDown(server.Config)}
	require.Equal(t, strings.TrimSpace(shutdownAnswer), client.Line())
	client.ExpectClosed()
	require.NoError(t, <-over[0])
	require.NoError(t, <-over[1])
	_, err := net.Dial("tcp", server.Addr)
	require.Error(t, err, "nobody listens")
}

func TestServeOnAClosedListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener.Close()
	require.ErrorIs(t, insecure(newHost()).Serve(listener), net.ErrClosed)
}

func TestServeWithoutHandler(t *testing.T) {
	server := new(pop3.Server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorContains(t, server.Serve(listener), "Server.Handler is nil")
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)

	client, conn := net.Pipe()
	require.ErrorContains(t, server.ServeConn(t.Context(), conn), "Server.Handler is nil")
	_, err = client.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.NoError(t, server.Shutdown(t.Context()))
}

func TestServeTLSWithoutTLSConfig(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorContains(t, insecure(newHost()).ServeTLS(listener), "TLSConfig")
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// flaky is a listener that is out of file descriptors for a while.
type flaky struct {
	failures []error
	conns    chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (l *flaky) Accept() (net.Conn, error) {
	if len(l.failures) > 0 {
		err := l.failures[0]
		l.failures = l.failures[1:]
		return nil, err
	}
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *flaky) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *flaky) Addr() net.Addr { return scriptAddr{} }

type temporaryError struct{ error }

func (temporaryError) Temporary() bool { return true }

func TestServeOutlastsTemporaryAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := &flaky{conns: make(chan net.Conn), closed: make(chan struct{})}
		for range 20 {
			listener.failures = append(listener.failures, temporaryError{errors.New("too many open files")})
		}
		server := insecure(newHost("one"))
		over := make(chan error, 1)
		began := time.Now()
		go func() { over <- server.Serve(listener) }()
		client, conn := net.Pipe()
		listener.conns <- conn
		require.Less(t, time.Since(began), 20*time.Second, "the pauses are bounded")
		require.Greater(t, time.Since(began), time.Second, "and no busy loop")
		p := pop3test.NewClient(t, client)
		require.Equal(t, "+OK bye", p.Quit())
		require.NoError(t, server.Shutdown(t.Context()))
		require.Equal(t, pop3.ErrServerClosed, <-over)
	})
}

func TestServeReturnsALastingAcceptError(t *testing.T) {
	broken := errors.New("broken")
	listener := &flaky{failures: []error{broken}, closed: make(chan struct{})}
	require.Equal(t, broken, insecure(newHost()).Serve(listener))
	<-listener.closed
}

// Close ends a session wherever it is, and everything that a host opened is
// closed.
func TestCloseEndsASessionAnywhere(t *testing.T) {
	tlsConfig := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	hangAt := func(p point) func(*host) { return func(h *host) { h.set(p, hang) } }
	for name, test := range map[string]struct {
		arrange func(*host)
		say     func(testing.TB, *piped)
	}{
		"waiting for a command": {nil, func(t testing.TB, p *piped) { p.greeted(t) }},
		"in NewSession":         {hangAt(inNewSession), func(testing.TB, *piped) {}},
		"in Login":              {hangAt(inLogin), func(t testing.TB, p *piped) { p.greeted(t); p.Command("USER demo"); p.Send("PASS x\r\n") }},
		"in Messages":           {hangAt(inMessages), func(t testing.TB, p *piped) { p.greeted(t); p.Command("USER demo"); p.Send("PASS x\r\n") }},
		"in StartSASL":          {hangAt(inStartSASL), func(t testing.TB, p *piped) { p.greeted(t); p.Send("AUTH TEST\r\n") }},
		"in Next":               {hangAt(inNext), func(t testing.TB, p *piped) { p.greeted(t); p.Send("AUTH TEST\r\n") }},
		"in an AUTH exchange":   {nil, func(t testing.TB, p *piped) { p.greeted(t); p.Command("AUTH TEST") }},
		"in Open":               {hangAt(inOpen), func(t testing.TB, p *piped) { p.greeted(t); p.Login("demo", "x"); p.Send("RETR 1\r\n") }},
		"in Read":               {hangAt(inRead), func(t testing.TB, p *piped) { p.greeted(t); p.Login("demo", "x"); p.Send("RETR 1\r\n") }},
		"in the middle of Read": {hangAt(amidRead), func(t testing.TB, p *piped) { p.greeted(t); p.Login("demo", "x"); p.Send("RETR 1\r\n") }},
		"writing RETR":          {nil, func(t testing.TB, p *piped) { p.greeted(t); p.Login("demo", "x"); p.Send("RETR 1\r\n") }},
		"in a TLS handshake":    {nil, func(t testing.TB, p *piped) { p.greeted(t); p.Command("STLS") }},
	} {
		t.Run(name, func(t *testing.T) {
			for how, end := range map[string]func(*pop3.Server, context.CancelFunc){
				"Close":   func(s *pop3.Server, _ context.CancelFunc) { s.Close() },
				"context": func(_ *pop3.Server, cancel context.CancelFunc) { cancel() },
			} {
				t.Run(how, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						host := newHost("Subject: a message that takes two stretches\n\n")
						if test.arrange != nil {
							test.arrange(host)
						}
						server := insecure(host)
						server.TLSConfig = tlsConfig
						var info pop3.SessionInfo
						server.Hooks = &pop3.Hooks{Close: func(_ *pop3.Conn, i pop3.SessionInfo) { info = i }}
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						p := rawPipe(t, server, ctx)
						test.say(t, p)
						synctest.Wait()
						began := time.Now()
						end(server, cancel)
						require.Error(t, <-p.over)
						require.Zero(t, time.Since(began), "at once")
						require.NotContains(t, p.rest(t), "\r\n.\r\n")
						host.requireClosed(t)
						require.Equal(t, "aborted", info.Reason)
					})
				})
			}
		})
	}
}

// The exported methods of Conn, Shutdown and Close are for any goroutine, while
// STLS replaces the connection too. The race detector is the judge.
func TestConnIsSafeWhileSTLSRuns(t *testing.T) {
	for _, stop := range []func(*pop3.Server){
		func(s *pop3.Server) { s.Close() },
		func(s *pop3.Server) { s.Shutdown(context.Background()) },
	} {
		for range 20 {
			server := pop3test.NewUnstartedServer(t, pop3.Login(pop3test.AnyPassword(), new(memory.Store)))
			conns := make(chan *pop3.Conn, 1)
			server.Config.Hooks = &pop3.Hooks{Connect: func(c *pop3.Conn) { conns <- c }}
			server.Start(t)
			nc, err := net.Dial("tcp", server.Addr)
			require.NoError(t, err)
			defer nc.Close()
			client := pop3test.NewClient(t, nc)
			c := <-conns
			began := make(chan struct{})
			var others sync.WaitGroup
			for range 2 {
				others.Go(func() {
					<-began
					for range 50 {
						c.RemoteAddr()
						c.LocalAddr()
						c.TLS()
					}
				})
			}
			others.Go(func() {
				<-began
				stop(server.Config)
			})
			client.Send("STLS\r\n")
			close(began)
			secure := tls.Client(nc, server.ClientTLS())
			secure.SetDeadline(time.Now().Add(pop3test.Patience))
			io.Copy(io.Discard, secure)
			others.Wait()
			server.Close(t)
		}
	}
}

// What BaseContext and ConnContext give reaches the host's functions, and the
// end of it is the end of the connection.
func TestContextsOfTheHost(t *testing.T) {
	type key string
	host := newHost("one")
	contexts := make(chan context.Context, 3)
	for _, p := range []point{inNewSession, inLogin, inOpen} {
		host.set(p, func(ctx context.Context) error { contexts <- ctx; return nil })
	}
	ended := make(chan context.CancelCauseFunc, 2)
	infos := make(chan pop3.SessionInfo, 1)
	server := pop3test.NewUnstartedServer(t, host)
	server.Config.Hooks = &pop3.Hooks{Close: func(_ *pop3.Conn, info pop3.SessionInfo) { infos <- info }}
	server.Config.BaseContext = func(listener net.Listener) context.Context {
		return context.WithValue(context.Background(), key("listener"), listener.Addr().String())
	}
	server.Config.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		ctx, end := context.WithCancelCause(context.WithValue(ctx, key("client"), nc.RemoteAddr().String()))
		ended <- end
		return ctx
	}
	server.Start(t)
	client := server.Dial(t)
	client.Login("demo", "secret")
	client.Multi("RETR 1")
	for range 3 {
		ctx := <-contexts
		require.Equal(t, server.Addr, ctx.Value(key("listener")))
		require.Equal(t, client.Conn().LocalAddr().String(), ctx.Value(key("client")))
		require.Error(t, ctx.Err(), "each is for one call")
	}
	cause := errors.New("the user was locked out")
	(<-ended)(cause)
	client.ExpectClosed()
	info := <-infos
	require.Equal(t, "aborted", info.Reason)
	require.ErrorIs(t, info.Err, cause)
}

// Nobody waits for a handshake that stalls.
func TestShutdownDuringAHandshake(t *testing.T) {
	config := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newHost("one"))
		server.TLSConfig = config
		p := pipe(t, server)
		require.Equal(t, "+OK begin TLS", p.Command("STLS"))
		client, conn := net.Pipe()
		defer client.Close()
		over := make(chan error, 1)
		go func() { over <- server.ServeConn(t.Context(), tls.Server(conn, config)) }()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, server.Shutdown(t.Context()))
		require.Zero(t, time.Since(began))
		require.Error(t, <-p.over)
		require.Error(t, <-over)
	})
}
