package pop3

import (
	"context"

	"github.com/popcask/popcask/mailbox"
)

// Handler begins a session for each connection. It is safe for concurrent use.
type Handler interface {
	// NewSession is called before the greeting. An error turns the client away
	// with -ERR; an [*Error] says how. ctx is for this call alone, as it is in
	// all calls of a session.
	NewSession(ctx context.Context, c *Conn) (Session, error)
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, c *Conn) (Session, error)

// NewSession calls f.
func (f HandlerFunc) NewSession(ctx context.Context, c *Conn) (Session, error) { return f(ctx, c) }

// Session logs one client in. It is used by one goroutine at a time. What else
// it can do it says by implementing [SASLSession] and [APOPSession]; somebody
// who wraps a Session must forward those two.
type Session interface {
	// Login answers USER and PASS. [mailbox.ErrAuthFailed] means that they do
	// not fit; the client learns nothing more.
	Login(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error)

	// Close ends the session, whether somebody had logged in or not, after the
	// mailbox was closed.
	Close() error
}

// SASLSession is a [Session] that also answers AUTH (RFC 5034).
type SASLSession interface {
	Session

	// Mechanisms names the SASL mechanisms, in capitals, best first. The
	// server leaves out those that disclose a secret where the connection may
	// not carry one. It is asked whenever CAPA or AUTH come, so that the answer
	// may change with TLS.
	Mechanisms() []string

	// StartSASL begins an exchange with one of the mechanisms. login has what
	// is known of the connection.
	StartSASL(ctx context.Context, mechanism string, login mailbox.Login) (SASLExchange, error)
}

// SASLExchange is one run of a SASL mechanism.
type SASLExchange interface {
	// Next takes the client's response, decoded, and gives the next challenge.
	// The first response is nil where the client sent no initial one. done
	// ends the exchange: a challenge that comes with it is sent as a last one,
	// and the client's empty answer is awaited, since a POP3 +OK carries no
	// data. [mailbox.ErrAuthFailed] means that the proof is wrong.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)

	// User is the name that the client gave, for the log, once the exchange is
	// done.
	User() string

	// Mailbox opens the maildrop after the exchange is done.
	Mailbox(ctx context.Context) (mailbox.Mailbox, error)
}

// APOPSession is a [Session] that also answers APOP (RFC 1939 section 7).
type APOPSession interface {
	Session

	// APOPEnabled tells, before the greeting, whether the greeting shall carry
	// the timestamp that APOP needs.
	APOPEnabled() bool

	// APOP checks digest, 32 lower-case hexadecimal digits: the MD5 of timestamp
	// (angle brackets included) and the shared secret.
	APOP(ctx context.Context, login mailbox.Login, timestamp, digest string) (mailbox.Mailbox, error)
}
