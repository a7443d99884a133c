package pop3

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"slices"

	"github.com/popcask/popcask/mailbox"
)

// Users is an [Authenticator] for first programs and for tests: passwords in
// the clear, by user name. Names are compared as [mailbox.CanonicalUser] spells
// them, so that "Demo" logs in as "demo". A user whose password is empty cannot
// log in. The map must not change while it is in use, and every login looks
// through all of it.
type Users map[string]string

// Authenticate implements [Authenticator]. An unknown user and a wrong password
// are the same [mailbox.ErrAuthFailed].
func (u Users) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	user, password := u.find(login.User)
	given, right := sha256.Sum256([]byte(login.Password)), sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(given[:], right[:]) != 1 || password == "" {
		return "", mailbox.ErrAuthFailed
	}
	return user, nil
}

// SharedSecrets returns the users as [SharedSecrets], which switches APOP on.
func (u Users) SharedSecrets() SharedSecrets { return sharedUsers{u} }

type sharedUsers struct{ Users }

func (u sharedUsers) SharedSecret(_ context.Context, login mailbox.Login) (secret, user string, err error) {
	user, secret = u.find(login.User)
	if secret == "" {
		return "", "", mailbox.ErrAuthFailed
	}
	return secret, user, nil
}

// find returns the canonical form of a name, and its password if it is a
// user's. It takes equally long for all users and for none. Of two keys that
// are one user the last in order counts.
func (u Users) find(name string) (user, password string) {
	user, _ = mailbox.CanonicalUser(name)
	for _, key := range slices.Sorted(maps.Keys(u)) {
		if canonical, err := mailbox.CanonicalUser(key); err == nil && canonical == user {
			password = u[key]
		}
	}
	return user, password
}
