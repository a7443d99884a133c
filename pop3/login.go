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

// Login returns a [Handler] of an authenticator and a store. Clients log in by
// USER and PASS, by AUTH PLAIN, and by APOP if the authenticator is a
// [SharedSecrets].
func Login(authenticator Authenticator, store mailbox.Store) Handler {
	return HandlerFunc(func(_ context.Context, c *Conn) (Session, error) {
		secrets, _ := authenticator.(SharedSecrets)
		return &loginSession{conn: c, authenticator: authenticator, secrets: secrets, store: store}, nil
	})
}

// loginSession is the session of [Login].
type loginSession struct {
	conn          *Conn
	authenticator Authenticator
	secrets       SharedSecrets // nil: no APOP
	store         mailbox.Store
}

func (s *loginSession) Close() error { return nil }

func (s *loginSession) Login(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if login.AuthorizationID == login.User {
		login.AuthorizationID = "" // the same as none (RFC 4616 section 2)
	}
	user, err := s.authenticator.Authenticate(ctx, login)
	if err != nil {
		return nil, fmt.Errorf("authenticate: %w", err)
	}
	if login.AuthorizationID != "" && !strings.EqualFold(user, login.AuthorizationID) {
		// The authenticator did not look at AuthorizationID.
		return nil, fmt.Errorf("%q may not act for %q: %w", login.User, login.AuthorizationID, mailbox.ErrAuthFailed)
	}
	return s.open(ctx, login, user)
}

func (s *loginSession) open(ctx context.Context, login mailbox.Login, user string) (mailbox.Mailbox, error) {
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

func (s *loginSession) Mechanisms() []string { return plainOnly }

func (s *loginSession) StartSASL(_ context.Context, mechanism string, login mailbox.Login) (SASLExchange, error) {
	if mechanism != "PLAIN" {
		return nil, impossible("no such mechanism")
	}
	return &plainExchange{login: login, open: s.Login}, nil
}

func (s *loginSession) APOPEnabled() bool { return s.secrets != nil }

func (s *loginSession) APOP(ctx context.Context, login mailbox.Login, timestamp, digest string) (mailbox.Mailbox, error) {
	if s.secrets == nil {
		return nil, impossible("APOP is not offered here")
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

var plainOnly = []string{"PLAIN"}
