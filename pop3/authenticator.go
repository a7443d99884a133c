package pop3

import (
	"context"

	"github.com/popcask/popcask/mailbox"
)

// Authenticator finds the user that a client proves to be. It must be safe for
// concurrent use.
type Authenticator interface {
	// Authenticate checks login.User and login.Password, and returns the user
	// whose mailbox to open.
	//
	// If login.AuthorizationID is set, the client asks to act for that user.
	// Authenticate returns that user's name if it may; the login fails if it
	// returns another.
	//
	// [mailbox.ErrAuthFailed] means that the password is wrong or the user
	// unknown. It should take equally long for both. Any other error is a
	// failure of the host, and the client is told to try again later.
	Authenticate(ctx context.Context, login mailbox.Login) (user string, err error)
}

// AuthenticatorFunc makes an [Authenticator] of a function.
type AuthenticatorFunc func(ctx context.Context, login mailbox.Login) (user string, err error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	return f(ctx, login)
}

// SharedSecrets is an [Authenticator] that knows passwords in the clear. It
// switches APOP on, for which no TLS is needed. APOP rests on MD5: use it only
// for old clients that cannot do TLS.
type SharedSecrets interface {
	Authenticator

	// SharedSecret returns the secret of login.User, and the user whose
	// mailbox to open. [mailbox.ErrAuthFailed] means that there is no such user,
	// or no secret.
	SharedSecret(ctx context.Context, login mailbox.Login) (secret, user string, err error)
}
