package pop3

import (
	"context"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Handler begins a session for each connection. It must be safe for concurrent
// use.
type Handler interface {
	// NewSession is called before the greeting. An error turns the client away
	// with -ERR; an [*Error] says in which words. ctx is for this call alone, as
	// in all methods of a session.
	NewSession(ctx context.Context, c *Conn) (Session, error)
}

// HandlerFunc makes a [Handler] of a function.
type HandlerFunc func(ctx context.Context, c *Conn) (Session, error)

// NewSession calls f.
func (f HandlerFunc) NewSession(ctx context.Context, c *Conn) (Session, error) { return f(ctx, c) }

// Session logs one client in. It is used by one goroutine at a time. A session
// may also be a [PasswordSession], an [ExpiringSession], a [SASLSession] and an
// [APOPSession]. A
// wrapper of a session must forward those, or the server does not see them.
type Session interface {
	// Login logs in by USER and PASS. [mailbox.ErrAuthFailed] means that the
	// user is unknown or the password wrong; the client is not told which.
	Login(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error)

	// Close ends the session, with a login or without. It is called once, after
	// the mailbox was closed.
	Close() error
}

// PasswordSession is a [Session] that may have no logins by USER and PASS.
type PasswordSession interface {
	Session

	// PasswordsEnabled reports whether clients may use USER and PASS. It is
	// called for every CAPA and USER.
	PasswordsEnabled() bool
}

// ExpiringSession is a [Session] that knows how long messages stay.
type ExpiringSession interface {
	Session

	// Retention returns how long a message stays if nobody removes it, 0 for
	// ever, and whether that is known. CAPA lists it as EXPIRE, in whole days
	// (RFC 2449 section 6.7). It is called for every CAPA. If users differ, it
	// returns before the login what is the shortest of all, and after it what
	// the user has.
	Retention() (retention time.Duration, known bool)
}

// SASLSession is a [Session] that also answers AUTH (RFC 5034).
type SASLSession interface {
	Session

	// Mechanisms returns the names of the SASL mechanisms, in capitals, best
	// first. The server leaves out those that disclose a secret if the
	// connection may not carry one. It is called for every CAPA and AUTH, so
	// that the mechanisms may change with TLS.
	Mechanisms() []string

	// StartSASL begins an exchange by one of the mechanisms. login has what is
	// known of the connection.
	StartSASL(ctx context.Context, mechanism string, login mailbox.Login) (SASLExchange, error)
}

// SASLExchange is one run of a SASL mechanism.
type SASLExchange interface {
	// Next takes the client's response, decoded, and returns the next
	// challenge. The first response is nil if the client sent no initial one.
	//
	// done ends the exchange. A challenge that is returned with it is still
	// sent, and the client's empty response awaited, since a POP3 +OK carries no
	// data. [mailbox.ErrAuthFailed] means that the client's proof is wrong.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)

	// User returns the name that the client gave, as far as it is known, for the
	// brake and for log lines. It is called before each Next but the first, and
	// after the exchange is done or has failed.
	User() string

	// Mailbox opens the user's mailbox. It is called after the exchange is done.
	Mailbox(ctx context.Context) (mailbox.Mailbox, error)
}

// CheckingExchange is a [SASLExchange] that says when it checks a secret. The
// server asks its [Brake] once in each login, before the first check. If an
// exchange does not say, that is before the first response, when the name of
// the user is not known yet. A client that breaks an exchange off after a check,
// and before it is done, has failed to log in.
type CheckingExchange interface {
	SASLExchange

	// Checks reports whether Next will check a secret in this response. If it
	// does, User already returns the name that the response has. If no Next
	// checks one, the check is that of Mailbox.
	Checks(response []byte) bool
}

// APOPSession is a [Session] that also answers APOP (RFC 1939 section 7).
type APOPSession interface {
	Session

	// APOPEnabled reports whether the server offers APOP, by a timestamp in the
	// greeting. It is called before the greeting.
	APOPEnabled() bool

	// APOP logs in by digest: the MD5 of timestamp (with its angle brackets) and
	// the shared secret, in 32 lower-case hexadecimal digits.
	APOP(ctx context.Context, login mailbox.Login, timestamp, digest string) (mailbox.Mailbox, error)
}
