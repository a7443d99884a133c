package lmtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// Protocol is the protocol that a [Server] speaks.
type Protocol uint8

const (
	// LMTP is for a mail server that hands over what it has queued (RFC 2033).
	// It has an answer for each recipient of a message.
	LMTP Protocol = iota

	// SMTP is for the world (RFC 5321). It has one answer for all recipients.
	SMTP
)

// String returns "LMTP" or "SMTP".
func (p Protocol) String() string {
	if p == SMTP {
		return "SMTP"
	}
	return "LMTP"
}

// Server takes mail by LMTP or SMTP and delivers it. Only Appender and Directory
// are required; the zero value of every other field works and is safe. The fields
// must not change once the server serves.
//
// In every limit and time-out 0 means the default, and a negative value means
// none.
type Server struct {
	// Appender gets the mail.
	Appender mailbox.Appender

	// Directory says which addresses get mail here, and whose they are. An
	// address has no quotes, however it was written: its domain is what follows
	// the last @. It has one, except postmaster (RFC 5321 section 4.5.1), and
	// except those that LMTP brings without one.
	Directory mailbox.Directory

	// Protocol is LMTP or SMTP. The zero value is LMTP.
	Protocol Protocol

	// Addr is the TCP address that ListenAndServe listens on. Empty means ":24"
	// for LMTP, ":25" for SMTP, and ":465" for SMTP in ListenAndServeTLS.
	Addr string

	// Hostname is what the server calls itself: in the greeting, and in the
	// Received field. Empty means the name of the machine.
	Hostname string

	// NoTrace leaves out the header fields that a final delivery adds:
	// Return-Path, Delivered-To and Received (RFC 5321 section 4.4).
	NoTrace bool

	// TLSConfig switches STARTTLS on (RFC 3207), and is what ServeTLS uses. The
	// server uses a clone with TLS 1.2 as the oldest version, and "lmtp" or
	// "smtp" as the only ALPN name.
	TLSConfig *tls.Config

	// IdleTimeout is how long a client may wait between two commands, or between
	// two parts of a message. Default 5 minutes, the shortest that RFC 5321
	// section 4.5.3.2.7 allows. A message as a whole has no limit of time.
	IdleTimeout time.Duration

	// HandshakeTimeout is how long a client may take for a TLS handshake. Default
	// 30 seconds.
	HandshakeTimeout time.Duration

	// WriteTimeout is how long a client may take to read its answers. Default 5
	// minutes.
	WriteTimeout time.Duration

	// StoreTimeout is how long the Directory may take for an address, and the
	// Appender for a part of a message, or for the delivery once it has the whole
	// message. Default 2 minutes.
	StoreTimeout time.Duration

	// MaxMessageSize is the largest message in octets, as it is sent, without
	// byte-stuffing (RFC 1870). Default [mailbox.DefaultMaxMessageSize].
	MaxMessageSize int64

	// MaxRecipients is how many recipients a message may have. Default 1000; RFC
	// 5321 section 4.5.3.1.8 wants at least 100. The sender has to send the
	// message again for the rest.
	MaxRecipients int

	// MaxHops is how many Received fields a message may have: one that has more
	// is in a loop (RFC 5321 section 6.3). Default 100.
	MaxHops int

	// MaxBadCommands is how many commands in a row may be wrong, in their form
	// or in their state, before the connection is ended. Default 20.
	MaxBadCommands int

	// MaxRefused is how many more commands may be refused than were done before
	// the connection is ended, whatever they are refused for: a sender that
	// guesses addresses. Errors of the host do not count, nor does what the sender
	// is to try again. Default 1,000.
	MaxRefused int

	// MaxConnections is how many connections may be open at once. Default 10,000,
	// or a quarter of the files that the process may open if that is fewer.
	MaxConnections int

	// MaxWaiting is how many of the connections may be open without a message
	// under way. One more takes the place of the one that has waited longest, of
	// the address that has the most of them. Default half of MaxConnections.
	MaxWaiting int

	// MaxPerAddress is how many connections one address may have; an IPv6 address
	// is a network of 64 bits. One more takes the place of the one that has waited
	// longest; if none of them waits, it is turned away. Default 100, or
	// MaxWaiting if that is less. It does not count what has no IP address, such
	// as a Unix socket, nor a proxy of XCLIENT that names no client.
	MaxPerAddress int

	// Commands are commands of the host's own.
	Commands []Command

	// Hooks are called when something happens. nil calls none.
	Hooks *Hooks

	// Logger gets one line for each session and for each delivery, and what an
	// administrator should know. nil logs nothing.
	Logger *slog.Logger

	// BaseContext returns the context of a listener's connections. nil means
	// [context.Background].
	BaseContext func(net.Listener) context.Context

	// ConnContext returns the context of a connection, made of the one that it
	// gets. Its values are in the context of every hook, log line, and call of
	// the Directory and the Appender. nil leaves that one.
	ConnContext func(context.Context, net.Conn) context.Context

	// Admit is asked about each connection before the TLS handshake and before
	// the greeting. An error turns the connection away, in the words of an
	// [*Error] if it is one. nil admits all.
	Admit func(context.Context, net.Conn) error

	// Proxies are the networks of proxies that speak the PROXY protocol, version
	// 1 or 2: every connection that a listener accepts from there must begin with
	// its header, within HandshakeTimeout, and has the addresses that the header
	// names. One from
	// elsewhere that begins with a header is a client that knows no SMTP.
	Proxies []netip.Prefix

	// XCLIENT are the networks of proxies, such as Postfix or nginx, that may say
	// by XCLIENT which address their client has.
	XCLIENT []netip.Prefix

	door      netserver.Door[*Conn]
	listeners netserver.Listeners

	setUp                                           sync.Once
	setUpErr                                        error
	limit                                           limits
	hostname                                        string
	tlsConfig                                       *tls.Config // nil: no TLS
	log                                             *slog.Logger
	hooks                                           Hooks
	turnedAway, failedHandshakes, refusedRecipients netserver.Tally
}

// ErrServerClosed is what Serve and its siblings return after Shutdown or
// Close.
var ErrServerClosed = errors.New("lmtp: server closed")

// ListenAndServe listens on Addr and then calls Serve. STARTTLS is offered if
// TLSConfig is set.
func (s *Server) ListenAndServe() error {
	listener, err := net.Listen("tcp", cmp.Or(s.Addr, map[Protocol]string{LMTP: ":24", SMTP: ":25"}[s.Protocol]))
	if err != nil {
		return err
	}
	return s.Serve(listener)
}

// ListenAndServeTLS listens on Addr and then calls ServeTLS, for TLS from the
// first octet on.
func (s *Server) ListenAndServeTLS() error {
	listener, err := net.Listen("tcp", cmp.Or(s.Addr, map[Protocol]string{LMTP: ":24", SMTP: ":465"}[s.Protocol]))
	if err != nil {
		return err
	}
	return s.ServeTLS(listener)
}

// Serve serves the connections that listener accepts, of a Unix socket too. It
// closes listener before it returns, and returns [ErrServerClosed] after Shutdown
// or Close, even if that was before Serve.
func (s *Server) Serve(listener net.Listener) error {
	return s.serve(listener, false)
}

// ServeTLS is Serve with TLS from the first octet on. TLSConfig must be set.
func (s *Server) ServeTLS(listener net.Listener) error {
	if s.TLSConfig == nil {
		listener.Close()
		return errors.New("lmtp: ServeTLS needs Server.TLSConfig")
	}
	return s.serve(listener, true)
}

func (s *Server) serve(listener net.Listener, implicitTLS bool) error {
	if err := s.prepare(); err != nil {
		listener.Close()
		return err
	}
	base := context.Background()
	if s.BaseContext != nil {
		base = s.BaseContext(listener)
	}
	err := s.listeners.Serve(listener, func(nc net.Conn) {
		nc, err := s.listeners.Proxied(nc, s.Proxies, s.limit.handshake)
		if err != nil {
			newConn(s, nc, nil).turnAway(base, err)
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
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	if err := s.prepare(); err != nil {
		nc.Close()
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := newConn(s, nc, cancel)
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

// Shutdown stops the server gracefully: it closes the listeners, lets messages
// arrive that are under way, tells every other client to come back later, and
// returns when the last session is over. If ctx ends first, Shutdown ends the
// remaining sessions as Close does, and returns the error of the context.
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
// the contexts of deliveries. It does not wait for the sessions.
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
	switch {
	case s.Appender == nil:
		return errors.New("lmtp: Server.Appender is nil: mailbox/memory, mailbox/maildir and cassandra have one")
	case s.Directory == nil:
		return errors.New("lmtp: Server.Directory is nil: it says which addresses get mail here")
	}
	if err := checkCommands(s.Commands); err != nil {
		return err
	}
	s.log = cmp.Or(s.Logger, slog.New(slog.DiscardHandler))
	s.limit = s.limits()
	s.door.Limits = s.limit.door
	s.listeners.Crowd, s.listeners.Log = netserver.NewCrowd(s.limit.door.Connections), s.log
	s.hostname = cmp.Or(s.Hostname, machine())
	if s.Hooks != nil {
		s.hooks = *s.Hooks
	}
	if s.TLSConfig != nil {
		s.tlsConfig = netserver.Secured(s.TLSConfig, map[Protocol]string{LMTP: "lmtp", SMTP: "smtp"}[s.Protocol])
	}
	return nil
}

// machine is the name of this machine, if a header field can have it.
func machine() string {
	if name, err := os.Hostname(); err == nil && isDomain(name) {
		return name
	}
	return "localhost"
}
