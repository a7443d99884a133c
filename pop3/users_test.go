package pop3_test

import (
	"context"

	"github.com/popcask/popcask/mailbox"
)

// secretUsers is a SharedSecrets: passwords in the clear, by name.
type secretUsers map[string]string

func (u secretUsers) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	secret, ok := u[login.User]
	if !ok || secret != login.Password {
		return "", mailbox.ErrAuthFailed
	}
	return login.User, nil
}

func (u secretUsers) SharedSecret(_ context.Context, login mailbox.Login) (secret, user string, err error) {
	secret, ok := u[login.User]
	if !ok {
		return "", "", mailbox.ErrAuthFailed
	}
	return secret, login.User, nil
}

// refusingStore opens nothing.
type refusingStore struct {
	mailbox.Store
	err error
}

func (s refusingStore) Open(context.Context, mailbox.Login) (mailbox.Mailbox, error) {
	return nil, s.err
}
