package lmtp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/popcask/popcask/internal/netserver"
)

// serve serves a connection that was let in, from its handshake to its end.
func (c *Conn) serve(ctx context.Context) error {
	// Deferred, since a host's code may call runtime.Goexit, as FailNow of a test
	// does.
	end := &ended{ReasonGoexit, errGoexit}
	defer func() { c.finish(context.WithoutCancel(ctx), end) }()
	end = c.converse(&ctx)
	if ctx.Err() != nil && end.err != nil && end.reason != ReasonPanic {
		end = aborted(context.Cause(ctx))
	}
	if end.err == nil && end.reason != ReasonQuit {
		return end
	}
	return end.err
}

var errGoexit = errors.New("lmtp: a host's code ended the goroutine of the session")

// aborted is the end of a connection whose context ended.
func aborted(cause error) *ended {
	switch cause {
	case errDisplaced:
		return &ended{ReasonDisplaced, cause}
	case errClosedByHost:
		return &ended{ReasonClosedByHost, cause}
	}
	return &ended{ReasonAborted, cause}
}

// converse runs the session from the handshake to its last answer. It leaves the
// context of the connection in conn. A panic of the host's code ends this
// connection and no other.
func (c *Conn) converse(conn *context.Context) (end *ended) {
	defer func() {
		if p := recover(); p != nil {
			end = &ended{ReasonPanic, c.panicked(*conn, p)}
			c.answer(errPanic)
		}
	}()
	if c.server.ConnContext != nil {
		*conn = c.server.ConnContext(*conn, c.nc)
	}
	ctx := *conn
	stop := context.AfterFunc(ctx, func() { c.abort(context.Cause(ctx)) })
	defer stop()
	if c.server.Admit != nil {
		if err := c.server.Admit(ctx, c.nc); err != nil {
			return &ended{ReasonTurnedAway, err}
		}
	}
	if c.server.hooks.Connect != nil {
		c.server.hooks.Connect(ctx, c)
	}
	if secure, is := c.nc.(netserver.TLSConn); is {
		if end := c.handshake(ctx, secure); end != nil {
			return end
		}
	}
	c.greeting()
	for {
		line, err := c.readCommand()
		if err != nil {
			return c.endOfInput(err)
		}
		if end := c.execute(ctx, line); end != nil {
			return end
		}
	}
}

func (c *Conn) greeting() {
	c.say(220, "", c.server.hostname+" "+map[Protocol]string{LMTP: "LMTP", SMTP: "ESMTP"}[c.server.Protocol])
}

// readCommand returns the next command.
func (c *Conn) readCommand() (line string, err error) {
	if line, c.next = c.next, ""; line != "" {
		return line, nil
	}
	return c.readLine()
}

// endOfInput ends the session after a read failed. It says why, if the client
// may still be listening.
func (c *Conn) endOfInput(err error) *ended {
	var end *ended
	switch {
	case errors.As(err, &end):
		return end
	case errors.Is(err, errShuttingDown):
		c.answer(errShutDown)
		return &ended{ReasonShutdown, ErrServerClosed}
	case errors.Is(err, errLineTooLong):
		c.answer(&Error{Code: 500, Enhanced: "5.5.2", Text: "Line is too long"})
		return &ended{ReasonLineTooLong, err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.answer(errIdle)
		return &ended{ReasonIdle, err}
	}
	return &ended{ReasonClientGone, err}
}

// panicked reports a panic of the host's code, and returns it as an error.
func (c *Conn) panicked(ctx context.Context, p any) error {
	err := fmt.Errorf("lmtp: panic: %v", p)
	stack := string(debug.Stack())
	// If it was the logger or the hook that panicked, the other is still told.
	try(func() {
		c.server.log.ErrorContext(ctx, "lmtp: panic in a session", "conn", c.ID(), "panic", p, "stack", stack)
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
