package pop3_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

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
				host := newFakeHost("one", "two")
				var reason pop3.SessionInfo
				server := insecure(host)
				server.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { reason = info }}
				p := pipe(t, server)
				prepare(p)
				synctest.Wait()
				over := shutDown(server)
				require.Equal(t, shutdownAnswer, p.rest(t))
				require.NoError(t, <-over)
				require.ErrorIs(t, <-p.over, pop3.ErrServerClosed)
				require.EqualValues(t, "shutdown", reason.Reason)
				require.Empty(t, host.removed(), "marks that no QUIT has confirmed")
				require.Equal(t, 1, host.count(inSessionClose))
			})
		})
	}
}

// Shutdown lets a running command finish. Pipelined commands after it do not
// begin.
func TestShutdownLetsARunningCommandFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost("Subject: x\n\n.dot\n", "two")
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
		host := newFakeHost("one", "two")
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

// P4: a removal does not stop halfway: not because of Close, not at the end of
// the context, and not for a client that has gone.
func TestP4RemovalOutlivesTheConnection(t *testing.T) {
	for name, end := range map[string]func(*pop3.Server, *piped, context.CancelFunc){
		"Close":       func(s *pop3.Server, _ *piped, _ context.CancelFunc) { s.Close() },
		"context":     func(_ *pop3.Server, _ *piped, cancel context.CancelFunc) { cancel() },
		"client gone": func(_ *pop3.Server, p *piped, _ context.CancelFunc) { p.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newFakeHost("one", "two")
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
		host := newFakeHost("one")
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
			server := insecure(newFakeHost())
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
	server := pop3test.NewServer(t, newFakeHost("one"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Config.Serve(listener) }()
	client := server.Dial(t)
	client.Login("demo", "secret")
	over := []chan error{shutDown(server.Config), shutDown(server.Config)}
	require.Equal(t, strings.TrimSpace(shutdownAnswer), client.Line())
	client.ExpectClosed()
	require.NoError(t, <-over[0])
	require.NoError(t, <-over[1])
	require.Equal(t, pop3.ErrServerClosed, <-served)
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// Close and the end of the context end a session in the middle of anything, and
// everything that the host opened is closed.
func TestCloseEndsASessionAnywhere(t *testing.T) {
	tlsConfig := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	hangAt := func(p point) func(*fakeHost) { return func(h *fakeHost) { h.set(p, hang) } }
	for name, test := range map[string]struct {
		arrange func(*fakeHost)
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
						host := newFakeHost("Subject: a message that takes two stretches\n\n")
						if test.arrange != nil {
							test.arrange(host)
						}
						server := insecure(host)
						server.TLSConfig = tlsConfig
						var info pop3.SessionInfo
						server.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, i pop3.SessionInfo) { info = i }}
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
						require.EqualValues(t, "aborted", info.Reason)
					})
				})
			}
		})
	}
}

// Shutdown does not wait for a handshake that stalls.
func TestShutdownDuringAHandshake(t *testing.T) {
	config := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost("one"))
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

func TestShutdownBeforeAHandshake(t *testing.T) {
	config := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost("one"))
		var reason pop3.Reason
		server.Hooks = &pop3.Hooks{
			Connect: func(context.Context, *pop3.Conn) {
				go server.Shutdown(context.Background())
				synctest.Wait()
			},
			Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { reason = info.Reason },
		}
		client, conn := net.Pipe()
		defer client.Close()
		require.ErrorIs(t, server.ServeConn(t.Context(), tls.Server(conn, config)), pop3.ErrServerClosed)
		require.Equal(t, pop3.ReasonShutdown, reason)
	})
}

// Shutdown tells every waiting client.
func TestShutdownTellsClientsSYSTEMP(t *testing.T) {
	server := newFakeStore("a\n").server()
	before := pipe(t, server)
	after := loggedIn(t, server)
	after.Command("DELE 1")
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(context.Background()) }()
	for _, client := range []*piped{before, after} {
		require.Equal(t, "-ERR [SYS/TEMP] server shutting down", client.Line())
		client.ExpectClosed()
	}
	require.NoError(t, <-stopped)
	late := pipe(t, server)
	require.Equal(t, "-ERR [SYS/TEMP] server shutting down", late.Greeting)
	late.ExpectClosed()
	require.ErrorIs(t, <-late.over, pop3.ErrServerClosed)
}
