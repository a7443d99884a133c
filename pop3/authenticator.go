package pop3

import (
	"context"

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
