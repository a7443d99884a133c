package pop3

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Hooks are functions that a server calls when something happens: for metrics,
// traces and audits. Each may be nil. They run on the goroutine of the session
// and should not block. Their context has the values of Server.ConnContext. No
// hook gets the arguments of a command, since those may be secrets.
type Hooks struct {
	// Reject: a connection was turned away, by a limit, by Server.Admit, or
	// because the server shuts down. The error says why. No other hook hears of
	// it. The connection is over, and only its addresses are of use. Of one that
	// the Handler turned away Close tells, with ReasonTurnedAway.
	Reject func(context.Context, net.Conn, error)

	// Connect: a connection was admitted. TLS has not begun.
	Connect func(context.Context, *Conn)

	// TLS: a handshake succeeded. Of one that failed Close tells, with
	// ReasonHandshake.
	TLS func(context.Context, *Conn, tls.ConnectionState)

	// Auth: a login succeeded (nil) or failed. Login.User is the name of the
	// user, as [Conn.User] returns it, or else the name that was tried, as far
	// as a SASL exchange got.
	Auth func(context.Context, *Conn, mailbox.Login, error)

	// Begin: a command has arrived, with its verb in capitals, or "" if there is
	// no such command. The context that it returns is that of the store's calls
	// for this command, and of Command: it may carry the span of a trace. It must
	// be made of the one that it gets, which ends with the connection. nil leaves
	// that one.
	Begin func(ctx context.Context, c *Conn, verb string) context.Context

	// Command: a command was answered. The answer was sent, or waits in the
	// buffer for those of pipelined commands.
	Command func(context.Context, *Conn, CommandInfo)

	// Fault: something happened that an administrator should look at: a host's
	// code panicked, a message did not have the size that its store had listed,
	// a unique-id was illegal or that of two messages, a message ended with an
	// error.
	Fault func(context.Context, *Conn, error)

	// Close: the connection is over. It is the last call for a Conn that
	// Connect got.
	Close func(context.Context, *Conn, SessionInfo)
}

// CommandInfo says how a command went.
type CommandInfo struct {
	Verb     string        // in capitals; "" if there is no such command
	OK       bool          // the answer was +OK
	Code     ResponseCode  // of an -ERR that had one
	Err      error         // behind an -ERR, or that ended the session; nil after +OK
	Duration time.Duration // from the command's arrival to its answer
	In, Out  int64         // octets read and written for it, line ends included
}

// SessionInfo says how a session went.
type SessionInfo struct {
	User      string        // that logged in, as Conn.User returns it; "" if none did
	Mechanism string        // of the login, as in mailbox.Login
	Reason    Reason        // why it ended
	Err       error         // that ended it; nil after QUIT and Hijack
	Duration  time.Duration // from the connection to its end

	Messages int // in the maildrop at login
	Tops     int // TOP answered
	Retrs    int // RETR answered
	Deleted  int // removed at QUIT

	In, Out int64 // octets read and written, before TLS
}
