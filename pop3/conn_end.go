package pop3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/popcask/popcask/internal/netserver"
)

// Reason is why a session ended, a short text that stays the same from release
// to release.
type Reason string

const (
	ReasonQuit         Reason = "quit"                    // the client said QUIT: the only end without an error, with the next
	ReasonHijacked     Reason = "hijacked"                // the host took the connection over
	ReasonClientGone   Reason = "client gone"             // the connection broke, or the client did not read its answers
	ReasonIdle         Reason = "idle"                    // longer than Server.IdleTimeout
	ReasonNoLogin      Reason = "no login in time"        // Server.AuthTimeout
	ReasonHandshake    Reason = "TLS handshake failed"    // or took longer than Server.HandshakeTimeout
	ReasonTurnedAway   Reason = "turned away"             // by the Handler
	ReasonDisplaced    Reason = "displaced"               // before its login, by a newer connection
	ReasonLineTooLong  Reason = "line too long"           // Server.MaxLine, MaxSASL, MaxLongLines
	ReasonBadCommands  Reason = "too many bad commands"   // Server.MaxBadCommands, MaxRefused
	ReasonRefused      Reason = "refused"                 // a command, with an answer that closes: QUIT that failed, too many failed logins, STLS with more behind it, an Error with Close
	ReasonBodyFailed   Reason = "message ended early"     // the store failed in the middle of a message
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
	err    error // nil after QUIT and Hijack
}

func (e *ended) Error() string {
	if e.err == nil {
		return "pop3: session ended: " + string(e.reason)
	}
	return "pop3: session ended: " + string(e.reason) + ": " + e.err.Error()
}

func (e *ended) Unwrap() error { return e.err }

// finish closes what is open, writes to the log and calls the hook.
func (c *Conn) finish(ctx context.Context, end *ended) {
	c.out.discard()
	c.giveBack()
	if c.rejected {
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
	defer func() {
		c.info.Reason, c.info.Err = end.reason, end.err
		c.info.Duration = time.Since(c.began)
		c.info.In, c.info.Out = c.inOctets, c.out.octets
	}()
	defer c.guard(ctx, func() { c.logTurnedAway(ctx, end) })
	defer func() {
		if !c.isHijacked() {
			c.hangUp(end.reason)
		}
	}()
	defer c.guard(ctx, func() { c.closeSession(ctx) })
	c.guard(ctx, func() { c.closeMailbox(ctx) })
}

// logTurnedAway counts and logs what was let in and had to go again.
func (c *Conn) logTurnedAway(ctx context.Context, end *ended) {
	message := "pop3: connection turned away"
	switch end.reason {
	case ReasonTurnedAway:
	case ReasonDisplaced:
		message = "pop3: connection made room for another"
	default:
		return
	}
	c.server.turnedAway.Log(ctx, c.server.log, message, c.RemoteAddr(), end.err)
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

func (c *Conn) closeMailbox(ctx context.Context) {
	if c.mailbox == nil {
		return
	}
	mb := c.mailbox
	c.mailbox = nil
	defer c.giveUp()
	if err := mb.Close(); err != nil {
		c.fault(ctx, fmt.Errorf("pop3: close mailbox: %w", err))
	}
}

func (c *Conn) closeSession(ctx context.Context) {
	if c.session == nil {
		return
	}
	if err := c.session.Close(); err != nil {
		c.fault(ctx, fmt.Errorf("pop3: close session: %w", err))
	}
}

// hangUp closes the connection, so that the client gets the last answer if there
// is one.
func (c *Conn) hangUp(reason Reason) {
	switch reason {
	case ReasonQuit, ReasonRefused, ReasonBadCommands, ReasonLineTooLong:
		netserver.HangUp(c.nc)
	default:
		c.nc.Close()
	}
}

// turnAway ends a connection before its session, and says why if it can.
func (c *Conn) turnAway(ctx context.Context, err error) {
	defer c.nc.Close()
	if errors.Is(err, ErrServerClosed) {
		err = &Error{Code: CodeTemporary, Text: "server shutting down", Err: ErrServerClosed}
	}
	netserver.LastWord(c.nc, reply(err, atGreeting).line())
	c.guard(ctx, func() {
		c.server.turnedAway.Log(ctx, c.server.log, "pop3: connection turned away", c.RemoteAddr(), err)
	})
	c.guard(ctx, func() {
		if c.server.hooks.Reject != nil {
			c.server.hooks.Reject(ctx, c.nc, err)
		}
	})
}
