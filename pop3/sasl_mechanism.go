package pop3

import (
	"context"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// mechanism is a SASL mechanism that [Login] knows.
type mechanism struct {
	name  string
	fits  func(*loginSession) bool // reports whether the connection is one for it
	start func(*loginSession, mailbox.Login) SASLExchange
}

// mechanisms are all of them, best first.
var mechanisms = [...]mechanism{
	{"SCRAM-SHA-256-PLUS", (*loginSession).canBind, scramSHA256.startBound},
	{"SCRAM-SHA-1-PLUS", (*loginSession).canBind, scramSHA1.startBound},
	{"SCRAM-SHA-256", anyConnection, scramSHA256.start},
	{"SCRAM-SHA-1", anyConnection, scramSHA1.start},
	{"EXTERNAL", (*loginSession).hasCertificate, startEXTERNAL},
	{"OAUTHBEARER", anyConnection, startOAUTHBEARER},
	{"XOAUTH2", anyConnection, startXOAUTH2},
	{"CRAM-MD5", anyConnection, startCRAMMD5},
	{"PLAIN", anyConnection, startPLAIN},
	{"LOGIN", anyConnection, startLOGIN},
	{"ANONYMOUS", anyConnection, startANONYMOUS},
}

func anyConnection(*loginSession) bool { return true }

// Offers reports whether [Login] lets clients use a mechanism, as far as the
// authenticator is concerned: whether it has the methods, and is not [Selective]
// and against it. The names are those of Selective; one with -PLUS counts as the
// one without.
func Offers(a Authenticator, mechanism string) bool {
	mechanism = strings.TrimSuffix(mechanism, "-PLUS")
	selective, isSelective := a.(Selective)
	if isSelective && !selective.Offers(mechanism) {
		return false
	}
	_, shared := a.(SharedSecrets)
	is := false
	switch mechanism {
	case "USER", "PLAIN", "LOGIN":
		is = true
	case "APOP", "CRAM-MD5":
		is = shared
	case "SCRAM-SHA-256":
		_, is = a.(SCRAMSecrets)
		is = is || shared
	case "SCRAM-SHA-1":
		_, is = a.(SCRAMSecrets)
		is = is && isSelective || shared
	case "OAUTHBEARER", "XOAUTH2":
		_, is = a.(Tokens)
	case "EXTERNAL":
		_, is = a.(Certificates)
	case "ANONYMOUS":
		_, is = a.(Anonymous)
	}
	return is
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
