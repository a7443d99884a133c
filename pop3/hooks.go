package pop3

import (
	"crypto/tls"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Hooks are functions that a server calls when something happens: for metrics,
// traces and audits. Each may be nil. They run on the goroutine of the session
// and should not block. No hook gets the arguments of a command, since those
// may be secrets.
type Hooks struct {
	// Connect: a connection was admitted. TLS has not begun.
	Connect func(*Conn)

	// TLS: a handshake succeeded.
	TLS func(*Conn, tls.ConnectionState)

	// Auth: a login succeeded (nil) or failed. Login.User is empty if a SASL
	// exchange failed before its end.
	Auth func(*Conn, mailbox.Login, error)

	// Command: a command was answered. The answer was sent, or waits in the
	// buffer for those of pipelined commands.
	Command func(*Conn, CommandInfo)

	// Fault: something happened that an administrator should look at: a host's
	// code panicked, a message did not have the size that its store had listed,
	// a unique-id was illegal or that of two messages, a message ended with an
	// error.
	Fault func(*Conn, error)

	// Close: the connection is over. It is the last call for a Conn that
	// Connect got.
	Close func(*Conn, SessionInfo)
}

// CommandInfo says how a command went.
type CommandInfo struct {
	Verb     string        // in capitals; "" if there is no such command
	OK       bool          // the answer was +OK
	Code     ResponseCode  // of an -ERR that had one
	Duration time.Duration // from the command's arrival to its answer
	In, Out  int64         // octets read and written for it, line ends included
}

// SessionInfo says how a session went.
type SessionInfo struct {
	User      string        // that logged in; "" if none did
	Mechanism string        // of the login, as in mailbox.Login
	Reason    string        // why it ended: "quit", "client gone", "idle", "shutdown" ...
	Err       error         // that ended it; nil after QUIT
	Duration  time.Duration // from the connection to its end

	Messages int // in the maildrop at login
	Tops     int // TOP answered
	Retrs    int // RETR answered
	Deleted  int // removed at QUIT

	In, Out int64 // octets read and written, before TLS
}
