package pop3

import (
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// Authenticator finds out who a client is. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate checks login.User and login.Password, and whether
	// login.AuthorizationID, where it is set, may be acted for. It returns the
	// user whose maildrop is to be opened. [mailbox.ErrAuthFailed] means that
	// the credentials are wrong or the user is unknown, and it should take
	// equally long for both. Whoever acts for another must get that other's
	// name, or the login fails. Any other error is a failure of the host, and the
	// client is told to try again later.
	Authenticate(ctx context.Context, login mailbox.Login) (user string, err error)
}

// AuthenticatorFunc is a function as an [Authenticator].
type AuthenticatorFunc func(ctx context.Context, login mailbox.Login) (user string, err error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	return f(ctx, login)
}

// SharedSecrets is an [Authenticator] that knows passwords in the clear, which
// switches APOP on. APOP rests on MD5 and on secrets kept in the clear: use it
// only for old clients that cannot do TLS.
type SharedSecrets interface {
	Authenticator

	// SharedSecret returns the secret of login.User and the user whose
	// maildrop is to be opened. [mailbox.ErrAuthFailed] where there is none.
	SharedSecret(ctx context.Context, login mailbox.Login) (secret, user string, err error)
}

// Login makes a [Handler] from an authenticator and a store: USER and PASS,
// AUTH PLAIN, and APOP where the authenticator is a [SharedSecrets].
func Login(authenticator Authenticator, store mailbox.Store) Handler {
	return HandlerFunc(func(context.Context, *Conn) (Session, error) {
		secrets, _ := authenticator.(SharedSecrets)
		return &loginSession{authenticator: authenticator, secrets: secrets, store: store}, nil
	})
}

// loginSession is the session of [Login].
type loginSession struct {
	authenticator Authenticator
	secrets       SharedSecrets // nil: no APOP
	store         mailbox.Store
}

func (s *loginSession) Close() error { return nil }

func (s *loginSession) Login(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if login.AuthorizationID == login.User {
		login.AuthorizationID = "" // that is what none means (RFC 4616 section 2)
	}
	user, err := s.authenticator.Authenticate(ctx, login)
	if err != nil {
		return nil, fmt.Errorf("authenticate: %w", err)
	}
	if login.AuthorizationID != "" && !strings.EqualFold(user, login.AuthorizationID) {
		// The authenticator knows nothing of acting for others.
		return nil, fmt.Errorf("%q may not act for %q: %w", login.User, login.AuthorizationID, mailbox.ErrAuthFailed)
	}
	return s.open(ctx, login, user)
}

func (s *loginSession) open(ctx context.Context, login mailbox.Login, user string) (mailbox.Mailbox, error) {
	login.User = user
	mb, err := s.store.Open(ctx, login)
	if err != nil {
		return nil, fmt.Errorf("open maildrop: %w", err)
	}
	return mb, nil
}

func (s *loginSession) Mechanisms() []string { return plainOnly }

var plainOnly = []string{"PLAIN"}

func (s *loginSession) StartSASL(_ context.Context, mechanism string, login mailbox.Login) (SASLExchange, error) {
	if mechanism != "PLAIN" {
		return nil, mistake("no such mechanism")
	}
	return &plainExchange{login: login, open: s.Login}, nil
}

func (s *loginSession) APOPEnabled() bool { return s.secrets != nil }

func (s *loginSession) APOP(ctx context.Context, login mailbox.Login, timestamp, digest string) (mailbox.Mailbox, error) {
	if s.secrets == nil {
		return nil, mistake("APOP is not offered here")
	}
	secret, user, err := s.secrets.SharedSecret(ctx, login)
	if err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	sum := md5.Sum([]byte(timestamp + secret))
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(digest)) != 1 {
		return nil, fmt.Errorf("APOP digest: %w", mailbox.ErrAuthFailed)
	}
	return s.open(ctx, login, user)
}
