package pop3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/popcask/popcask/internal/netserver"
)

// serve serves a connection that was let in, from its handshake to its end.
func (c *Conn) serve(ctx context.Context) error {
	// Deferred, since a host's code may call runtime.Goexit, as FailNow of a test
	// does.
	end := &ended{ReasonGoexit, errGoexit}
	defer func() {
		if ctx.Err() != nil {
			ctx = context.WithoutCancel(ctx)
		}
		c.finish(ctx, end)
	}()
	end = c.converse(&ctx)
	if ctx.Err() != nil && end.err != nil && end.reason != ReasonQuit && end.reason != ReasonPanic {
		end = aborted(context.Cause(ctx))
	}
	if end.err == nil && end.reason != ReasonQuit && end.reason != ReasonHijacked {
		return end
	}
	return end.err
}

var errGoexit = errors.New("pop3: a host's code ended the goroutine of the session")

// aborted is the end of a connection whose context ended.
func aborted(cause error) *ended {
	switch {
	case cause == errShuttingDown:
		return &ended{ReasonShutdown, ErrServerClosed}
	case cause == errDisplaced:
		return &ended{ReasonDisplaced, cause}
	case cause == errClosedByHost:
		return &ended{ReasonClosedByHost, cause}
	}
	return &ended{ReasonAborted, cause}
}

// converse runs the session from the handshake to its last answer. It leaves
// the context of the connection in ctx. A panic of the host's code ends this
// connection and no other.
func (c *Conn) converse(conn *context.Context) (end *ended) {
	defer func() {
		if p := recover(); p != nil {
			end = &ended{ReasonPanic, c.panicked(*conn, p)}
		}
	}()
	if c.server.ConnContext != nil {
		*conn = c.server.ConnContext(*conn, c.nc)
	}
	ctx := *conn
	if c.mayEnd {
		stop := context.AfterFunc(ctx, func() {
			if cause := context.Cause(ctx); cause != errShuttingDown { // which only ends the wait for the brake
				c.abort(cause)
			}
		})
		defer stop()
	}
	if ctx.Err() != nil {
		c.abort(context.Cause(ctx))
	}
	if c.server.Admit != nil {
		if err := c.server.Admit(ctx, c.nc); err != nil {
			c.rejected = true
			return &ended{ReasonTurnedAway, err}
		}
	}
	c.logConnect(ctx)
	if c.server.hooks.Connect != nil {
		c.server.hooks.Connect(ctx, c)
	}
	if secure, is := c.nc.(netserver.TLSConn); is {
		if end := c.handshake(ctx, secure); end != nil {
			return end
		}
	}
	if end := c.begin(ctx); end != nil {
		return end
	}
	for {
		in := c.inOctets
		line, err := c.readCommand(ctx)
		if err != nil {
			return c.endOfInput(ctx, err)
		}
		if end := c.execute(ctx, line, in); end != nil {
			return end
		}
	}
}

// begin begins the session and sends the greeting.
func (c *Conn) begin(ctx context.Context) *ended {
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		c.session, err = c.server.Handler.NewSession(ctx, c)
		return err
	})
	switch {
	case c.isHijacked():
		return &ended{reason: ReasonHijacked}
	case err == nil && c.session == nil:
		err = errors.New("pop3: Handler returned neither a session nor an error")
	}
	if err != nil {
		c.writeError(reply(err, atGreeting))
		return c.flushAndEnd(ctx, &ended{ReasonTurnedAway, err})
	}
	c.state = Authorization
	c.greet()
	return nil
}

// greet sends the greeting, with a timestamp if APOP is offered (RFC 1939
// section 7).
func (c *Conn) greet() {
	text := "POP3 server ready"
	if c.server.Greeting != "" {
		text = printable(strings.NewReplacer("<", "", ">", "").Replace(c.server.Greeting))
	}
	if c.mayForward() {
		text = "[XCLIENT] " + text
	}
	if s, ok := c.session.(APOPSession); ok && s.APOPEnabled() {
		c.timestamp = newTimestamp()
		text = text[:min(len(text), maxResponseLine-len("+OK  \r\n")-len(c.timestamp))]
		text = strings.ToValidUTF8(text, "") + " " + c.timestamp
	}
	c.out.strings(fitted("+OK "+text), "\r\n")
}

// endOfInput ends the session after a read failed. It says why, if the client
// may still be listening.
func (c *Conn) endOfInput(ctx context.Context, err error) *ended {
	switch {
	case errors.Is(err, errShuttingDown):
		c.writeError(&Error{Code: CodeTemporary, Text: "server shutting down"})
		return c.flushAndEnd(ctx, &ended{ReasonShutdown, ErrServerClosed})
	case errors.Is(err, errLineTooLong):
		c.writeError(&Error{Text: "line too long"})
		return c.flushAndEnd(ctx, &ended{ReasonLineTooLong, err})
	case errors.Is(err, errTooManyLongLines):
		c.writeError(&Error{Code: CodeTemporary, Text: "too many long lines at once, try again later"})
		return c.flushAndEnd(ctx, &ended{ReasonLineTooLong, err})
	case errors.Is(err, os.ErrDeadlineExceeded) && c.state == Transaction:
		// The autologout: "should close the TCP connection without removing any
		// messages or sending any response" (RFC 1939 section 3).
		return &ended{ReasonIdle, err}
	}
	return c.gone(err)
}

// gone ends the session after the connection failed.
func (c *Conn) gone(err error) *ended {
	if errors.Is(err, os.ErrDeadlineExceeded) && c.state == Authorization {
		return &ended{ReasonNoLogin, err}
	}
	return &ended{ReasonClientGone, err}
}

// flushAndEnd sends the last answers, and returns end.
func (c *Conn) flushAndEnd(ctx context.Context, end *ended) *ended {
	if err := c.flush(ctx); err != nil && end.err == nil {
		end.err = err
	}
	return end
}

// panicked reports a panic of the host's code, and returns it as an error.
func (c *Conn) panicked(ctx context.Context, p any) error {
	err := fmt.Errorf("pop3: panic: %v", p)
	stack := string(debug.Stack())
	// If it was the logger or the hook that panicked, the other is still told.
	try(func() {
		c.server.log.ErrorContext(ctx, "pop3: panic in a session", "conn", c.ID(), "panic", p, "stack", stack)
	})
	if c.server.hooks.Fault != nil {
		try(func() { c.server.hooks.Fault(ctx, c, err) })
	}
	return err
}

// try runs f and ignores its panic.
func try(f func()) {
	defer func() { _ = recover() }()
	f()
}

// fault reports something that an administrator should look at.
func (c *Conn) fault(ctx context.Context, err error) {
	c.server.log.WarnContext(ctx, "pop3: fault", "conn", c.ID(), "user", c.User(), "error", err)
	if c.server.hooks.Fault != nil {
		c.server.hooks.Fault(ctx, c, err)
	}
}
