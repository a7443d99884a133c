package pop3

import (
	"context"

	"github.com/popcask/popcask/mailbox"
)

// mechanism is a SASL mechanism that [Login] knows.
type mechanism struct {
	name    string
	offered func(*loginSession) bool // unless the authenticator is against it
	start   func(*loginSession, mailbox.Login) SASLExchange
}

// mechanisms are all of them, best first.
var mechanisms = [...]mechanism{
	{"SCRAM-SHA-256-PLUS", scramSHA256.isBound, scramSHA256.startBound},
	{"SCRAM-SHA-1-PLUS", scramSHA1.isBound, scramSHA1.startBound},
	{"SCRAM-SHA-256", scramSHA256.isKnown, scramSHA256.start},
	{"SCRAM-SHA-1", scramSHA1.isKnown, scramSHA1.start},
	{"EXTERNAL", (*loginSession).hasCertificate, startEXTERNAL},
	{"OAUTHBEARER", implements[Tokens], startOAUTHBEARER},
	{"XOAUTH2", implements[Tokens], startXOAUTH2},
	{"CRAM-MD5", implements[SharedSecrets], startCRAMMD5},
	{"PLAIN", implements[Authenticator], startPLAIN},
	{"LOGIN", implements[Authenticator], startLOGIN},
	{"ANONYMOUS", implements[Anonymous], startANONYMOUS},
}

// Mechanism is a SASL mechanism of a host's own, for [WithMechanism].
type Mechanism struct {
	// Name is the name of the mechanism, in capitals (RFC 4422 section 3.1).
	Name string

	// Start begins an exchange. login has what is known of the connection. The
	// exchange's method Mailbox returns what open returns, for the login that
	// the exchange has made of login, and for the user that it proved to be.
	Start func(ctx context.Context, login mailbox.Login, open OpenFunc) (SASLExchange, error)
}

// OpenFunc opens the mailbox of a user that a client has proved to be. The login
// fails if login.AuthorizationID is set and is not that user.
type OpenFunc func(ctx context.Context, login mailbox.Login, user string) (mailbox.Mailbox, error)

// exchange is what the exchanges of Login have in common.
type exchange struct {
	session *loginSession
	login   mailbox.Login
}

func (x *exchange) User() string { return x.login.User }
