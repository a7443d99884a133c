package pop3

import (
	"crypto/tls"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Hooks are functions that hear of what a server does: for metrics, traces and
// audits. Each may be nil. They run on the session's own goroutine and must not
// block. No hook ever gets an argument of a command, since those hold secrets.
type Hooks struct {
	// Connect: a connection was admitted; TLS is not there yet.
	Connect func(*Conn)

	// TLS: a handshake succeeded.
	TLS func(*Conn, tls.ConnectionState)

	// Auth: a login succeeded (nil) or failed. Login.User is empty where a SASL
	// exchange failed before its end.
	Auth func(*Conn, mailbox.Login, error)

	// Command: a command was answered, wholly written or buffered.
	Command func(*Conn, CommandInfo)

	// Fault: something happened that somebody should look at: a host's code
	// panicked, a message was not as large as its store had said, a unique-id
	// was illegal or another message's too, a body ended with an error.
	Fault func(*Conn, error)

	// Close: the connection is over. It is the last call for a Conn that
	// Connect got.
	Close func(*Conn, SessionInfo)
}

// CommandInfo tells how a command went.
type CommandInfo struct {
	Verb     string        // as in the command table; "" where there is no such command
	OK       bool          // the answer was +OK
	Code     ResponseCode  // of an -ERR that had one
	Duration time.Duration // from the command's arrival to its answer
	In, Out  int64         // octets read and written for it, line ends included
}

// SessionInfo tells how a session went.
type SessionInfo struct {
	User      string        // who logged in, "" where nobody did
	Mechanism string        // how
	Reason    string        // why it ended: "quit", "client gone", "idle", "shutdown" ...
	Err       error         // behind the reason; nil after QUIT
	Duration  time.Duration // from the connection to its end

	Messages int // in the maildrop at login
	Tops     int // TOP answered
	Retrs    int // RETR answered
	Deleted  int // removed at QUIT

	In, Out int64 // octets read and written, before TLS
}
