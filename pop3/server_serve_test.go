package pop3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

func TestServeOnAClosedListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener.Close()
	require.ErrorIs(t, insecure(newFakeHost()).Serve(listener), net.ErrClosed)
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
	require.ErrorContains(t, insecure(newFakeHost()).ServeTLS(listener), "TLSConfig")
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// flaky is a listener whose first calls of Accept fail.
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
		server := insecure(newFakeHost("one"))
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
	require.Equal(t, broken, insecure(newFakeHost()).Serve(listener))
	<-listener.closed
}

// The contexts of BaseContext and ConnContext reach the methods of the host,
// and the connection ends with them.
func TestContextsOfTheHost(t *testing.T) {
	type key string
	host := newFakeHost("one")
	contexts := make(chan context.Context, 3)
	for _, p := range []point{inNewSession, inLogin, inOpen} {
		host.set(p, func(ctx context.Context) error { contexts <- ctx; return nil })
	}
	ended := make(chan context.CancelCauseFunc, 2)
	infos := make(chan pop3.SessionInfo, 1)
	server := pop3test.NewUnstartedServer(t, host)
	server.Config.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { infos <- info }}
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
	require.EqualValues(t, "aborted", info.Reason)
	require.ErrorIs(t, info.Err, cause)
}

// The exported methods of Conn, Shutdown and Close may be called from any
// goroutine, even while STLS replaces the connection. The race detector checks
// it.
func TestConnIsSafeWhileSTLSRuns(t *testing.T) {
	for _, stop := range []func(*pop3.Server){
		func(s *pop3.Server) { s.Close() },
		func(s *pop3.Server) { s.Shutdown(context.Background()) },
	} {
		for range 20 {
			server := pop3test.NewUnstartedServer(t, pop3.Login(pop3test.AnyPassword(), new(memory.Store)))
			conns := make(chan *pop3.Conn, 1)
			server.Config.Hooks = &pop3.Hooks{Connect: func(_ context.Context, c *pop3.Conn) { conns <- c }}
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
