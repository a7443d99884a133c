package pop3

import (
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// Login returns a [Handler] of an authenticator and a store. How clients may log
// in follows from what the authenticator implements:
//
//	Authenticator   USER and PASS, PLAIN, LOGIN
//	SharedSecrets   APOP, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256
//	SCRAMSecrets    SCRAM-SHA-256; SCRAM-SHA-1 if it is Selective and offers it
//	Tokens          OAUTHBEARER, XOAUTH2
//	Certificates    EXTERNAL, for clients with a certificate
//	Anonymous       ANONYMOUS
//
// SCRAM is also offered with channel binding (-PLUS), on a connection with TLS.
// An authenticator that is [Selective] narrows the list.
func Login(authenticator Authenticator, store mailbox.Store, options ...LoginOption) Handler {
	l := &login{Authenticator: authenticator, store: store}
	for _, option := range options {
		option(l)
	}
	return l
}

// LoginOption changes what [Login] returns.
type LoginOption func(*login)

// WithMechanism adds a SASL mechanism, before those that Login knows. It takes
// the place of one with the same name.
func WithMechanism(m Mechanism) LoginOption {
	return func(l *login) { l.own = append(l.own, m) }
}

// login is the handler of [Login].
type login struct {
	Authenticator
	store mailbox.Store
	own   []Mechanism
}

// NewSession implements [Handler].
func (l *login) NewSession(_ context.Context, c *Conn) (Session, error) {
	return &loginSession{login: l, conn: c}, nil
}

// loginSession is the session of [Login].
type loginSession struct {
	*login
	conn *Conn
}

func (s *loginSession) Close() error { return nil }

// PasswordsEnabled implements [PasswordSession].
func (s *loginSession) PasswordsEnabled() bool { return Offers(s.Authenticator, "USER") }

// Login implements [Session]: it logs in by a password, which the client has sent
// by USER and PASS, or by PLAIN or LOGIN.
func (s *loginSession) Login(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if login.Password == "" { // what some servers take for an anonymous login (RFC 4513 section 5.1.2)
		return nil, fmt.Errorf("the password is empty: %w", mailbox.ErrAuthFailed)
	}
	return s.proven(ctx, login, s.Authenticate)
}

// proven opens the mailbox of the user that prove finds the client to be.
func (s *loginSession) proven(ctx context.Context, login mailbox.Login, prove AuthenticatorFunc) (mailbox.Mailbox, error) {
	if login.AuthorizationID == login.User {
		login.AuthorizationID = "" // the same as none (RFC 4616 section 2)
	}
	user, err := prove(ctx, login)
	if err != nil {
		return nil, fmt.Errorf("authenticate: %w", err)
	}
	return s.open(ctx, login, user)
}

// open opens the mailbox of a user that was found to be the client.
func (s *loginSession) open(ctx context.Context, login mailbox.Login, user string) (mailbox.Mailbox, error) {
	if login.AuthorizationID != "" && !strings.EqualFold(user, login.AuthorizationID) {
		// The authenticator did not look at AuthorizationID.
		return nil, fmt.Errorf("%.100q may not act for %.100q: %w", login.User, login.AuthorizationID, mailbox.ErrAuthFailed)
	}
	login.User = user
	if s.conn != nil { // nil in a test that needs no connection
		s.conn.SetUser(user)
	}
	mb, err := s.store.Open(ctx, login)
	if err != nil {
		return nil, fmt.Errorf("open mailbox: %w", err)
	}
	return mb, nil
}

// APOPEnabled implements [APOPSession].
func (s *loginSession) APOPEnabled() bool { return Offers(s.Authenticator, "APOP") }

// APOP implements [APOPSession].
func (s *loginSession) APOP(ctx context.Context, login mailbox.Login, timestamp, digest string) (mailbox.Mailbox, error) {
	if !s.APOPEnabled() {
		return nil, impossible("APOP is not offered here")
	}
	return s.shared(ctx, login, func(secret string) []byte {
		if s.conn == nil || !s.conn.server.HideUTF8 {
			var ok bool
			if secret, ok = preparedSecret(secret); !ok {
				return nil
			}
		}
		sum := md5.Sum([]byte(timestamp + secret))
		return sum[:]
	}, digest)
}

// shared logs in by a digest of the shared secret, in hexadecimal digits. sum
// returns nil if there is none.
func (s *loginSession) shared(ctx context.Context, login mailbox.Login, sum func(secret string) []byte, digest string) (mailbox.Mailbox, error) {
	secret, user, err := s.Authenticator.(SharedSecrets).SharedSecret(ctx, login)
	right := hex.EncodeToString(sum(secret)) // nobody's too, so that it takes as long
	if err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	if secret == "" || subtle.ConstantTimeCompare([]byte(right), []byte(digest)) != 1 {
		return nil, fmt.Errorf("%s digest: %w", login.Mechanism, mailbox.ErrAuthFailed)
	}
	return s.open(ctx, login, user)
}

// Mechanisms implements [SASLSession].
func (s *loginSession) Mechanisms() []string {
	var names []string
	for _, m := range s.own {
		names = append(names, m.Name)
	}
	for _, m := range mechanisms {
		if s.knows(m) && !slices.Contains(names, m.name) {
			names = append(names, m.name)
		}
	}
	return names
}

// knows reports whether clients may use a mechanism of Login.
func (s *loginSession) knows(m mechanism) bool {
	return Offers(s.Authenticator, m.name) && m.fits(s)
}

// StartSASL implements [SASLSession].
func (s *loginSession) StartSASL(ctx context.Context, mechanism string, login mailbox.Login) (SASLExchange, error) {
	for _, m := range s.own {
		if m.Name == mechanism {
			return m.Start(ctx, login, s.open)
		}
	}
	for _, m := range mechanisms {
		if m.name == mechanism && s.knows(m) {
			return m.start(s, login), nil
		}
	}
	return nil, impossible("no such mechanism")
}
