package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Conn is one client's connection, as handlers and hooks see it. Its exported
// methods may be called from any goroutine while the session lasts.
type Conn struct {
	server *Server
	began  time.Time
	mayEnd bool // the context can end before the connection does

	cancel context.CancelCauseFunc

	mu       sync.Mutex // guards the next two, which Shutdown and Close touch
	nc       net.Conn   // STLS replaces it
	shutdown bool

	in       *bufio.Reader
	long     []byte // a line that is longer than the buffer of in
	inOctets int64
	out      output

	session   Session
	state     state
	user      string // of USER
	timestamp string // of the greeting, for APOP; "" if it is not offered
	failed    int    // logins
	bad       int    // commands in a row
	missing   int    // number of the last message that was found gone

	mailbox  mailbox.Mailbox // nil before the login and after QUIT
	maildrop *maildrop
	info     SessionInfo
}

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.netConn().RemoteAddr() }

// LocalAddr is the address that the client connected to.
func (c *Conn) LocalAddr() net.Addr { return c.netConn().LocalAddr() }

// TLS returns the state of TLS, or nil if the connection is in the clear.
func (c *Conn) TLS() *tls.ConnectionState {
	if secure, is := c.netConn().(tlsConn); is {
		state := secure.ConnectionState()
		return &state
	}
	return nil
}

// tlsConn is a [tls.Conn], or the like of another TLS library.
type tlsConn interface {
	net.Conn
	ConnectionState() tls.ConnectionState
	HandshakeContext(context.Context) error
}

func (c *Conn) netConn() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nc
}

func (c *Conn) isTLS() bool {
	_, is := c.nc.(tlsConn)
	return is
}

// ended is the end of a connection. As an error of a command it ends the
// session.
type ended struct {
	reason string // SessionInfo.Reason
	err    error  // nil after QUIT
}

func (e *ended) Error() string {
	if e.err == nil {
		return "pop3: session ended: " + e.reason
	}
	return "pop3: session ended: " + e.reason + ": " + e.err.Error()
}

func (e *ended) Unwrap() error { return e.err }

// readBuffer is the size of a connection's read buffer in octets: small, since
// most connections wait most of the time, and most commands are short.
const readBuffer = 512

// serve serves a connection that was admitted, from its handshake to its end.
func (c *Conn) serve(ctx context.Context) error {
	c.began = time.Now()
	c.in = bufio.NewReaderSize(c.nc, readBuffer)
	c.out = output{nc: c.nc, timeout: c.server.limit.write}

	// Deferred, since a host's code may call runtime.Goexit, as FailNow of a test
	// does.
	end := &ended{"goroutine ended", errGoexit}
	defer func() { c.finish(end) }()
	end = c.converse(ctx)
	if ctx.Err() != nil && end.err != nil && end.reason != reasonQuit && end.reason != reasonPanic {
		end = &ended{"aborted", context.Cause(ctx)}
	}
	if end.err == nil && end.reason != reasonQuit {
		return end
	}
	return end.err
}

var errGoexit = errors.New("pop3: a host's code ended the goroutine of the session")

const (
	reasonQuit  = "quit" // the only end without an error
	reasonPanic = "panic"
)

// converse runs the session from the handshake to its last answer. A panic of
// the host's code ends this connection and no other.
func (c *Conn) converse(ctx context.Context) (end *ended) {
	defer func() {
		if p := recover(); p != nil {
			end = &ended{reasonPanic, c.panicked(p)}
		}
	}()
	if c.server.ConnContext != nil {
		ctx = c.server.ConnContext(ctx, c.nc)
	}
	if c.mayEnd {
		stop := context.AfterFunc(ctx, func() { c.abort(context.Cause(ctx)) })
		defer stop()
	}
	if ctx.Err() != nil {
		c.abort(context.Cause(ctx))
	}
	if c.server.hooks.Connect != nil {
		c.server.hooks.Connect(c)
	}
	if secure, is := c.nc.(tlsConn); is {
		if err := c.handshake(ctx, secure); err != nil {
			return err
		}
	}
	session, err := c.newSession(ctx)
	if err != nil {
		c.writeError(toReply(err))
		return c.flushAndEnd(&ended{"turned away", err})
	}
	c.session = session
	c.state = authorization
	c.greet()
	for {
		in := c.inOctets
		line, err := c.readCommand()
		if err != nil {
			return c.endOfInput(err)
		}
		if end := c.execute(ctx, line, in); end != nil {
			return end
		}
	}
}

func (c *Conn) newSession(ctx context.Context) (Session, error) {
	deadline := c.startDeadline(ctx)
	defer deadline.stop()
	session, err := c.server.Handler.NewSession(deadline.ctx, c)
	if err == nil && session == nil {
		err = errors.New("pop3: Handler returned neither a session nor an error")
	}
	return session, err
}

// greet sends the greeting, with a timestamp if APOP is offered (RFC 1939
// section 7).
func (c *Conn) greet() {
	if s, ok := c.session.(APOPSession); ok && s.APOPEnabled() {
		c.timestamp = newTimestamp()
		c.out.strings("+OK POP3 server ready ", c.timestamp, "\r\n")
		return
	}
	c.out.strings("+OK POP3 server ready\r\n")
}

// endOfInput ends the session after a read failed. It says why, if the client
// may still be listening.
func (c *Conn) endOfInput(err error) *ended {
	switch {
	case errors.Is(err, errShuttingDown):
		c.out.strings("-ERR [SYS/TEMP] server shutting down\r\n")
		return c.flushAndEnd(&ended{"shutdown", ErrServerClosed})
	case errors.Is(err, errLineTooLong):
		c.out.strings("-ERR line too long\r\n")
		return c.flushAndEnd(&ended{"line too long", err})
	case errors.Is(err, os.ErrDeadlineExceeded) && c.state == transaction:
		// The autologout: "should close the TCP connection without removing any
		// messages or sending any response" (RFC 1939 section 3).
		return &ended{"idle", err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &ended{"no login in time", err}
	}
	return &ended{"client gone", err}
}

func (c *Conn) flushAndEnd(end *ended) *ended {
	if err := c.out.flush(); err != nil && end.err == nil {
		end.err = err
	}
	return end
}

// finish closes what is open, writes to the log and calls the hook.
func (c *Conn) finish(end *ended) {
	c.out.discard()
	c.nc.Close()
	c.guard(func() {
		if err := c.closeMailbox(); err != nil {
			c.fault(fmt.Errorf("pop3: close mailbox: %w", err))
		}
	})
	c.guard(func() {
		if c.session == nil {
			return
		}
		if err := c.session.Close(); err != nil {
			c.fault(fmt.Errorf("pop3: close session: %w", err))
		}
	})
	c.info.Reason, c.info.Err = end.reason, end.err
	c.info.Duration = time.Since(c.began)
	c.info.In, c.info.Out = c.inOctets, c.out.octets
	c.guard(c.logSession)
	c.guard(func() {
		if c.server.hooks.Close != nil {
			c.server.hooks.Close(c, c.info)
		}
	})
}

// guard runs a host's code, and reports its panic instead of passing it on.
func (c *Conn) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.panicked(p)
		}
	}()
	f()
}

func (c *Conn) closeMailbox() error {
	if c.mailbox == nil {
		return nil
	}
	mb := c.mailbox
	c.mailbox = nil
	return mb.Close()
}

// reject turns away a connection that was not admitted.
func (c *Conn) reject(err error) {
	defer c.nc.Close()
	if _, is := c.nc.(tlsConn); is {
		return // without a handshake nothing can be said
	}
	if errors.Is(err, ErrServerClosed) {
		err = &Error{Code: CodeTemporary, Text: "server shutting down"}
	}
	c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(c.nc, toReply(err).line())
}

// wakeForShutdown makes a session that waits for its client notice that the
// server shuts down. A busy one notices after its command.
func (c *Conn) wakeForShutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shutdown = true
	c.nc.SetReadDeadline(longAgo)
}

var longAgo = time.Unix(1, 0)

// abort ends the connection at once, because of cause.
func (c *Conn) abort(cause error) {
	c.cancel(cause)
	c.mu.Lock()
	defer c.mu.Unlock()
	// Close of a TLS connection would first send close_notify, and wait for a
	// client that does not read.
	c.nc.SetDeadline(longAgo)
	if raw, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		raw.NetConn().Close()
		return
	}
	c.nc.Close()
}

// panicked reports a panic of the host's code, and returns it as an error.
func (c *Conn) panicked(p any) error {
	err := fmt.Errorf("pop3: panic: %v", p)
	stack := string(debug.Stack())
	// If it was the logger or the hook that panicked, the other is still told.
	try(func() { c.server.log.Error("pop3: panic in a session", "panic", p, "stack", stack) })
	if c.server.hooks.Fault != nil {
		try(func() { c.server.hooks.Fault(c, err) })
	}
	return err
}

// try runs f and ignores its panic.
func try(f func()) {
	defer func() { _ = recover() }()
	f()
}

// fault reports something that an administrator should look at.
func (c *Conn) fault(err error) {
	c.server.log.Warn("pop3: fault", "user", c.info.User, "error", err)
	if c.server.hooks.Fault != nil {
		c.server.hooks.Fault(c, err)
	}
}
