package pop3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/netserver"
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

	// Greeting is the text of the first line that a client gets, after "+OK ".
	// Empty means "POP3 server ready". What a response line cannot have is left
	// out, and so are angle brackets, which are for the timestamp of APOP.
	Greeting string

	// AuthTimeout is how long a client may take from its connection to its
	// login, TLS handshakes and waits for the Brake included. Default 3 minutes.
	AuthTimeout time.Duration

	// HandshakeTimeout is how long a client may take for a TLS handshake, within
	// AuthTimeout. Default 30 seconds.
	HandshakeTimeout time.Duration

	// IdleTimeout is how long a client may wait between two commands after its
	// login. Default 10 minutes, the shortest that RFC 1939 section 3 allows.
	IdleTimeout time.Duration

	// WriteTimeout is how long a client may take to read the next part of an
	// answer, of at most 1 MiB. Before the login it ends with AuthTimeout at the
	// latest. Default 5 minutes.
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

	// MaxLongLines is how many octets of memory the lines of all connections
	// together may have that are longer than 2 KiB, as those of AUTH may be
	// before anybody has logged in. A connection that needs more is told to try
	// again later, and ended. Default 16 MiB.
	MaxLongLines int

	// MaxBadCommands is how many commands in a row may be wrong, in their form
	// or in their state, before the connection is ended. A command that is well
	// formed and cannot be done does not count. Default 20; before the login it
	// is at most 5.
	MaxBadCommands int

	// MaxRefused is how many more commands may be refused than were answered
	// with +OK before the connection is ended, whatever they are refused for.
	// Errors of the host do not count. Default 1,000.
	MaxRefused int

	// MaxAuthTries is how many logins may fail before the connection is ended.
	// Default 5.
	MaxAuthTries int

	// Brake slows down those who guess passwords. nil means a [LocalBrake] with
	// its defaults, which the connections of this server share.
	Brake Brake

	// MaxMessages is how many messages a session sees, the oldest first. Later
	// sessions see the rest once those are deleted. Default 1,000,000.
	MaxMessages int

	// MaxConnections is how many connections may be open at once. Default 10,000,
	// or a quarter of the files that the process may open if that is fewer: a
	// session may need three more, and the rest of the program some too.
	MaxConnections int

	// MaxBeforeLogin is how many of the connections may be open without a login.
	// One more takes the place of the oldest of the address that has the most of
	// them. So an address that floods the server displaces its own connections.
	// Default half of MaxConnections.
	MaxBeforeLogin int

	// MaxPerAddress is how many connections one address may have; an IPv6 address
	// is a network of 64 bits. One more takes the place of the oldest that has
	// not logged in; if there is none, it is turned away. Default 100, or
	// MaxBeforeLogin if that is less. It does not count what has no IP address,
	// such as a Unix socket, nor a proxy of XCLIENT that names no client.
	MaxPerAddress int

	// Implementation is the text of the IMPLEMENTATION capability (RFC 2449
	// section 6.9), which is listed after the login. Empty leaves it out.
	Implementation string

	// HideUTF8 leaves the UTF8 capability (RFC 6856) out of CAPA: for clients
	// that do worse with it than without, and for users whose passwords are in
	// another charset. The command is taken all the same. By default the server
	// refuses what comes by USER, PASS and APOP and is not UTF-8 (section 2.2).
	HideUTF8 bool

	// Languages are the languages, besides English, of the texts of -ERR. LANG
	// (RFC 6856 section 3) lists them, and chooses one.
	Languages []Language

	// Proxies are the networks of proxies that speak the PROXY protocol, version
	// 1 or 2: every connection that a listener accepts from there must begin with
	// its header, within HandshakeTimeout, and has the addresses that the header
	// names. One from
	// elsewhere that begins with a header is a client that knows no POP3.
	Proxies []netip.Prefix

	// XCLIENT are the networks of proxies that may say by XCLIENT, before the
	// login, which address their client has: those of Dovecot, and directors.
	XCLIENT []netip.Prefix

	// DeleteRetrieved removes at QUIT what the session has retrieved by RETR, as
	// if DELE had followed each: clients may not leave mail on the server, which
	// EXPIRE 0 tells them (RFC 2449 section 6.7). RSET forgets what was
	// retrieved, and what TOP shows stays.
	DeleteRetrieved bool

	// LoginDelay is how long a user must wait from one login to the next, and is
	// listed as LOGIN-DELAY (RFC 2449 section 6.5), in whole seconds. A login that
	// comes sooner fails with that code. This server remembers the logins; a
	// store that knows those of several can return an [*Error] with the code. 0
	// means no delay.
	LoginDelay time.Duration

	// Lock lets one session at a time have a maildrop. nil lets several have it,
	// which do not disturb each other: see [Lock].
	Lock Lock

	// Capabilities returns the capabilities that CAPA lists, a line each, from
	// those of the server. nil leaves them as they are.
	Capabilities func(*Conn, []string) []string

	// Commands are commands of the host's own.
	Commands []Command

	// Hooks are called when something happens. nil calls none.
	Hooks *Hooks

	// Logger gets one line for each session, and what an administrator should
	// know. It never gets a secret. nil logs nothing.
	Logger *slog.Logger

	// BaseContext returns the context of a listener's connections. nil means
	// [context.Background].
	BaseContext func(net.Listener) context.Context

	// ConnContext returns the context of a connection, made of the one that it
	// gets. Its values are in the context of every hook, log line and call of a
	// store. nil leaves that one.
	ConnContext func(context.Context, net.Conn) context.Context

	// Admit is asked about each connection before the TLS handshake and before
	// the greeting. An error turns the connection away: in the clear with -ERR,
	// in the words of an [*Error] if it is one. nil admits all.
	Admit func(context.Context, net.Conn) error

	door      netserver.Door[*Conn]
	listeners netserver.Listeners

	setUp     sync.Once
	setUpErr  error
	limit     limits
	longLines budget
	tlsConfig *tls.Config // nil: no TLS
	log       *slog.Logger
	hooks     Hooks
	brake     Brake
	pace      pace
	turnedAway, failedHandshakes,
	failedLogins, unchecked netserver.Tally
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
	if err := s.prepare(); err != nil {
		listener.Close()
		return err
	}
	if !implicitTLS && s.tlsConfig == nil && !s.AllowInsecureAuth {
		s.log.Warn("pop3: nobody can log in with a password here: there is no TLS, and passwords without TLS are not allowed",
			"address", listener.Addr().String(), "fields", "TLSConfig, AllowInsecureAuth")
	}
	base := context.Background()
	if s.BaseContext != nil {
		base = s.BaseContext(listener)
	}
	err := s.listeners.Serve(listener, func(nc net.Conn) {
		nc, err := s.listeners.Proxied(nc, s.Proxies, s.limit.handshake)
		if err != nil {
			newConn(s, nc).turnAway(base, err)
			return
		}
		if implicitTLS {
			nc = tls.Server(nc, s.tlsConfig)
		}
		s.ServeConn(base, nc)
	})
	if err == netserver.ErrClosed {
		return ErrServerClosed
	}
	return err
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
	c := newConn(s, nc)
	c.cancel, c.mayEnd = cancel, mayEnd || s.ConnContext != nil
	displaced, isDisplaced, err := s.door.Enter(c, c.origin())
	if err != nil {
		err = fromDoor(err)
		c.turnAway(ctx, err)
		return err
	}
	defer s.door.Leave(c)
	if isDisplaced {
		displaced.abort(errDisplaced)
	}
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
	err := s.door.Wait(ctx)
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
	conns := s.door.Close()
	s.listeners.Close()
	return conns
}

// prepare fills in the defaults, once.
func (s *Server) prepare() error {
	s.setUp.Do(func() { s.setUpErr = s.prepareOnce() })
	return s.setUpErr
}

func (s *Server) prepareOnce() error {
	if s.Handler == nil {
		return errors.New("pop3: Server.Handler is nil: see pop3.Login for one made of an authenticator and a store")
	}
	if err := checkCommands(s.Commands); err != nil {
		return err
	}
	if err := checkLanguages(s.Languages); err != nil {
		return err
	}
	s.limit = s.limits()
	s.log = cmp.Or(s.Logger, slog.New(slog.DiscardHandler))
	s.door.Limits = s.limit.door
	s.listeners.Crowd, s.listeners.Log = netserver.NewCrowd(s.limit.door.Connections), s.log
	s.longLines.set(s.limit.longLines)
	if s.Hooks != nil {
		s.hooks = *s.Hooks
	}
	if s.TLSConfig != nil {
		s.tlsConfig = netserver.Secured(s.TLSConfig, "pop3")
	}
	s.brake = s.Brake
	if s.brake == nil {
		s.brake = new(LocalBrake)
	}
	return nil
}
