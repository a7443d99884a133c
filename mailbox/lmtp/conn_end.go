package lmtp

import (
	"context"
	"errors"
	"time"

	"github.com/popcask/popcask/internal/netserver"
)

// Reason is why a session ended, a short text that stays the same from release
// to release.
type Reason string

const (
	ReasonQuit         Reason = "quit"                    // the client said QUIT: the only end without an error
	ReasonClientGone   Reason = "client gone"             // the connection broke, or the client did not read its answers
	ReasonIdle         Reason = "idle"                    // longer than Server.IdleTimeout
	ReasonHandshake    Reason = "TLS handshake failed"    // or took longer than Server.HandshakeTimeout
	ReasonTurnedAway   Reason = "turned away"             // by Server.Admit
	ReasonDisplaced    Reason = "displaced"               // by a newer connection, without a message under way
	ReasonLineTooLong  Reason = "line too long"           // a command of more than 8,192 octets
	ReasonBadCommands  Reason = "too many bad commands"   // Server.MaxBadCommands, MaxRefused
	ReasonRefused      Reason = "refused"                 // a command, with an answer that closes
	ReasonShutdown     Reason = "shutdown"                // Server.Shutdown
	ReasonClosedByHost Reason = "closed by the host"      // Conn.Close
	ReasonAborted      Reason = "aborted"                 // Server.Close, or the context of the connection ended
	ReasonPanic        Reason = "panic"                   // of the host's code
	ReasonGoexit       Reason = "goroutine ended by host" // runtime.Goexit in the host's code
)

// ended is the end of a connection. As an error of a command it ends the
// session.
type ended struct {
	reason Reason
	err    error // nil after QUIT
}

func (e *ended) Error() string {
	if e.err == nil {
		return "lmtp: session ended: " + string(e.reason)
	}
	return "lmtp: session ended: " + string(e.reason) + ": " + e.err.Error()
}

func (e *ended) Unwrap() error { return e.err }

// finish sends the last answer, hangs up, writes to the log and calls the hook.
func (c *Conn) finish(ctx context.Context, end *ended) {
	if end.reason == ReasonTurnedAway {
		c.turnAway(ctx, end.err)
		return
	}
	// Deferred, the last step first: what a host's code does in one of them,
	// runtime.Goexit too, keeps none of the others from its turn.
	defer c.guard(ctx, func() {
		if c.server.hooks.Close != nil {
			c.server.hooks.Close(ctx, c, c.info)
		}
	})
	defer c.guard(ctx, func() { c.logSession(ctx) })
	c.hangUp(end.reason)
	c.info.Reason, c.info.Err = end.reason, end.err
	c.info.Duration = time.Since(c.began)
	if end.reason == ReasonDisplaced {
		c.guard(ctx, func() {
			c.server.turnedAway.Log(ctx, c.server.log, "lmtp: connection made room for another", c.RemoteAddr(), end.err)
		})
	}
}

// guard runs a host's code, and reports its panic instead of passing it on.
func (c *Conn) guard(ctx context.Context, f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.panicked(ctx, p)
		}
	}()
	f()
}

// hangUp closes the connection, so that the client gets the last answer if there
// is one.
func (c *Conn) hangUp(reason Reason) {
	switch reason {
	case ReasonClientGone, ReasonHandshake, ReasonDisplaced, ReasonClosedByHost, ReasonAborted, ReasonGoexit:
		c.nc.Close()
		return
	}
	if !c.isReady() || c.out.Flush() != nil {
		c.nc.Close()
		return
	}
	netserver.HangUp(c.nc)
}

// isReady reports whether something can be said: a write to a TLS connection
// without a handshake would wait for that.
func (c *Conn) isReady() bool {
	secure, is := c.nc.(netserver.TLSConn)
	return !is || secure.ConnectionState().HandshakeComplete
}

// fromDoor is why the door turned a connection away, as the client is told.
func fromDoor(err error) error {
	switch err {
	case netserver.ErrTooMany:
		return errTooManyConnections
	case netserver.ErrTooManyOfAddress:
		return errTooManyFromAddress
	}
	return ErrServerClosed
}

// turnAway ends a connection before its session, and says why if it can.
func (c *Conn) turnAway(ctx context.Context, err error) {
	defer c.nc.Close()
	answer := reply(err)
	if errors.Is(err, ErrServerClosed) {
		answer = errShutDown
	}
	netserver.LastWord(c.nc, fitted(answer.line())+"\r\n")
	c.guard(ctx, func() {
		c.server.turnedAway.Log(ctx, c.server.log, "lmtp: connection turned away", c.RemoteAddr(), err)
	})
	c.guard(ctx, func() {
		if c.server.hooks.Reject != nil {
			c.server.hooks.Reject(ctx, c.nc, err)
		}
	})
}
