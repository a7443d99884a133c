package pop3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

// Server is a POP3 server. Only Handler is required; the zero value of every
// other field works and is safe. The fields must not change once the server
// serves.
//
// In every limit and time-out 0 means the default, and a negative value means
// none.
type Server struct {
	// Addr is the TCP address that ListenAndServe listens on. Empty means
	// ":110", and ":995" for ListenAndServeTLS.
	Addr string

	// Handler begins a session for each connection. [Login] makes one of an
	// authenticator and a store.
	Handler Handler

	// TLSConfig switches STLS on (RFC 2595), and is what ServeTLS uses (RFC
	// 8314). The server uses a clone with TLS 1.2 as the oldest version and
	// "pop3" as the only ALPN name. So a config may be shared with an HTTP
	// server, and a browser that is led to this one is refused.
	TLSConfig *tls.Config

	// AllowInsecureAuth permits commands that disclose a password on a
	// connection without TLS: for loopback, for tests, and behind a proxy that
	// ends TLS. By default USER, PASS and PLAIN are neither offered nor taken
	// before TLS.
	AllowInsecureAuth bool

	// AuthTimeout is how long a client may take from its connection to its
	// login, TLS handshakes included. Default 3 minutes.
	AuthTimeout time.Duration

	// IdleTimeout is how long a client may wait between two commands after its
	// login. Default 10 minutes, the shortest that RFC 1939 section 3 allows.
	IdleTimeout time.Duration

	// WriteTimeout is how long a client may take to read the next part of an
	// answer, of at most 1 MiB. Default 5 minutes.
	WriteTimeout time.Duration

	// StoreTimeout is how long a store or an authenticator may take for one
	// piece of work: a login with its listing, the next part of a message, the
	// removal at QUIT. Default 2 minutes.
	StoreTimeout time.Duration

	// MaxLine is the longest command in octets, its line end included. Default
	// 2048; RFC 2449 section 4 wants at least 255. A longer one ends the
	// connection.
	MaxLine int

	// MaxSASL is the longest line of an AUTH exchange in octets, the AUTH
	// command included: bearer tokens are long. Default 65536.
	MaxSASL int

	// MaxBadCommands is how many commands in a row may be wrong before the
	// connection is ended. Default 20; before the login it is at most 5.
	MaxBadCommands int

	// MaxAuthTries is how many logins may fail before the connection is ended.
	// Default 5.
	MaxAuthTries int

	// MaxMessages is how many messages a session sees, the oldest first. Later
	// sessions see the rest once those are deleted. Default 1,000,000.
	MaxMessages int

	// MaxConnections is how many connections may be open at once. One more is
	// told to try again later. Default 10,000.
	MaxConnections int

	// Implementation is the text of the IMPLEMENTATION capability (RFC 2449
	// section 6.9), which is listed after the login. Empty leaves it out.
	Implementation string

	// Capabilities returns the capabilities that CAPA lists, a line each, from
	// those of the server. nil leaves them as they are.
	Capabilities func(*Conn, []string) []string

	// Hooks are called when something happens. nil calls none.
	Hooks *Hooks

	// Logger gets one line for each session, and what an administrator should
	// know. It never gets a secret. nil logs nothing.
	Logger *slog.Logger

	// BaseContext returns the context of a listener's connections. nil means
	// [context.Background].
	BaseContext func(net.Listener) context.Context

	// ConnContext returns the context of a connection, made of the one that it
	// gets. nil leaves that one.
	ConnContext func(context.Context, net.Conn) context.Context

	mu        sync.Mutex
	listeners map[*net.Listener]struct{}
	conns     map[*Conn]struct{}
	stopping  bool
	sessions  sync.WaitGroup // one for each of conns

	setUp     sync.Once
	limit     limits
	tlsConfig *tls.Config // nil: no TLS
	log       *slog.Logger
	hooks     Hooks
}

// ErrServerClosed is what Serve and its siblings return after Shutdown or
// Close.
var ErrServerClosed = errors.New("pop3: server closed")

// ListenAndServe listens on Addr and then calls Serve. STLS is offered if
// TLSConfig is set.
func (s *Server) ListenAndServe() error {
	listener, err := net.Listen("tcp", cmp.Or(s.Addr, ":110"))
	if err != nil {
		return err
	}
	return s.Serve(listener)
}

// ListenAndServeTLS listens on Addr and then calls ServeTLS, for TLS from the
// first octet on (POP3S).
func (s *Server) ListenAndServeTLS() error {
	listener, err := net.Listen("tcp", cmp.Or(s.Addr, ":995"))
	if err != nil {
		return err
	}
	return s.ServeTLS(listener)
}

// Serve serves the connections that listener accepts. It closes listener before
// it returns, and returns [ErrServerClosed] after Shutdown or Close, even if
// that was before Serve.
func (s *Server) Serve(listener net.Listener) error {
	return s.serve(listener, false)
}

// ServeTLS is Serve with TLS from the first octet on. TLSConfig must be set.
func (s *Server) ServeTLS(listener net.Listener) error {
	if s.TLSConfig == nil {
		listener.Close()
		return errors.New("pop3: ServeTLS needs Server.TLSConfig")
	}
	return s.serve(listener, true)
}

func (s *Server) serve(listener net.Listener, implicitTLS bool) error {
	defer listener.Close()
	if err := s.prepare(); err != nil {
		return err
	}
	if !s.track(&listener) {
		return ErrServerClosed
	}
	defer s.untrack(&listener)

	base := context.Background()
	if s.BaseContext != nil {
		base = s.BaseContext(listener)
	}
	var pause time.Duration
	for {
		nc, err := listener.Accept()
		if err != nil {
			if s.isStopping() {
				return ErrServerClosed
			}
			// Most likely the process is out of file descriptors, which passes.
			if t, ok := err.(interface{ Temporary() bool }); ok && t.Temporary() {
				pause = min(max(2*pause, 5*time.Millisecond), time.Second)
				s.log.Warn("pop3: accept failed, trying again", "error", err, "pause", pause)
				time.Sleep(pause)
				continue
			}
			return err
		}
		pause = 0
		if implicitTLS {
			nc = tls.Server(nc, s.tlsConfig)
		}
		go s.ServeConn(base, nc)
	}
}

// ServeConn serves one connection of any kind, a [net.Pipe] as well as a
// [tls.Conn], and closes it. It blocks until the session is over. Its error
// says why the session ended, and is nil after QUIT. If ctx ends, so does the
// connection.
//
// A wrapper of a tls.Conn must forward ConnectionState and HandshakeContext, or
// it counts as a connection in the clear.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	if err := s.prepare(); err != nil {
		nc.Close()
		return err
	}
	mayEnd := ctx.Done() != nil
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &Conn{server: s, nc: nc, cancel: cancel, mayEnd: mayEnd || s.ConnContext != nil}
	if err := s.admit(c); err != nil {
		c.reject(err)
		return err
	}
	defer s.release(c)
	return c.serve(ctx)
}

// Shutdown stops the server gracefully: it closes the listeners, lets running
// commands finish, tells every client [SYS/TEMP], and returns when the last
// session is over. Messages that no QUIT has removed stay. If ctx ends first,
// Shutdown ends the remaining sessions as Close does, and returns the error of
// the context.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.stop() {
		c.wakeForShutdown()
	}
	err := parallel.Wait(ctx, &s.sessions)
	if err != nil {
		s.Close()
	}
	return err
}

// Close stops the server at once: it closes listeners and connections, and ends
// the contexts of running commands. It does not wait for the sessions. A
// removal that QUIT has begun still finishes.
func (s *Server) Close() error {
	for _, c := range s.stop() {
		c.abort(ErrServerClosed)
	}
	return nil
}

// stop closes the listeners, turns later connections away, and returns those
// that are open.
func (s *Server) stop() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for listener := range s.listeners {
		(*listener).Close()
	}
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func (s *Server) track(listener *net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[*net.Listener]struct{})
	}
	s.listeners[listener] = struct{}{}
	return true
}

func (s *Server) untrack(listener *net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, listener)
}

func (s *Server) admit(c *Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping:
		return ErrServerClosed
	case reached(len(s.conns), s.limit.connections):
		return errTooManyConnections
	}
	if s.conns == nil {
		s.conns = make(map[*Conn]struct{})
	}
	s.conns[c] = struct{}{}
	s.sessions.Add(1)
	return nil
}

func (s *Server) release(c *Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.sessions.Done()
}

// prepare fills in the defaults, once.
func (s *Server) prepare() error {
	if s.Handler == nil {
		return errors.New("pop3: Server.Handler is nil: see pop3.Login for one made of an authenticator and a store")
	}
	s.setUp.Do(func() {
		s.limit = s.limits()
		s.log = cmp.Or(s.Logger, slog.New(slog.DiscardHandler))
		if s.Hooks != nil {
			s.hooks = *s.Hooks
		}
		if s.TLSConfig != nil {
			s.tlsConfig = s.TLSConfig.Clone()
			s.tlsConfig.MinVersion = max(s.tlsConfig.MinVersion, tls.VersionTLS12)
			s.tlsConfig.NextProtos = []string{"pop3"}
		}
	})
	return nil
}
