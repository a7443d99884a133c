package main

import (
	"context"
	"log/slog"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// usersFile is the users that the file has now. Sessions that are open stay
// when it changes.
type usersFile struct{ *latest[*users] }

// openUsers reads the users file; "" means the demo user alone.
func openUsers(log *slog.Logger, file string) (usersFile, error) {
	var files []string
	if file != "" {
		files = []string{file}
	}
	l, err := newLatest(log, func() (*users, error) { return loadUsers(file) }, files...)
	return usersFile{l}, err
}

// Lookup implements [mailbox.Directory].
func (f usersFile) Lookup(ctx context.Context, address string) (string, error) {
	return f.get().Lookup(ctx, address)
}

// Authenticate implements [pop3.Authenticator].
func (f usersFile) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	return f.get().Authenticate(ctx, login)
}

// handler logs users in and opens their mailboxes. Whether it offers APOP is
// decided for each connection.
func (f usersFile) handler(store mailbox.Store) pop3.Handler {
	return pop3.HandlerFunc(func(ctx context.Context, c *pop3.Conn) (pop3.Session, error) {
		return pop3.Login(f.authenticator(), store).NewSession(ctx, c)
	})
}

// authenticator returns what POP3 logs users in with. It offers APOP only if
// all secrets are plain, since the greeting offers APOP to all users or to
// none.
func (f usersFile) authenticator() pop3.Authenticator {
	if f.get().dearest > 0 {
		return f
	}
	return plainUsers{f}
}

// plainUsers are users whose secrets are all plain.
type plainUsers struct{ usersFile }

var _ pop3.SharedSecrets = plainUsers{}

// SharedSecret implements [pop3.SharedSecrets].
func (u plainUsers) SharedSecret(_ context.Context, login mailbox.Login) (plain, user string, err error) {
	return u.get().sharedSecret(login)
}
