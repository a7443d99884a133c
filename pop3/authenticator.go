package pop3

import (
	"cmp"
	"context"
	"crypto"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
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

// Selective is an [Authenticator] that does not let clients use all mechanisms
// for which it has methods.
type Selective interface {
	Authenticator

	// Offers reports whether clients may use a mechanism now. The names are
	// those of [mailbox.Login]: "USER", "APOP", "PLAIN", "SCRAM-SHA-256", and so
	// on. It is called often: for each greeting, CAPA and AUTH.
	Offers(mechanism string) bool
}

// SharedSecrets is an [Authenticator] that knows passwords in the clear. It
// switches on APOP, CRAM-MD5 and SCRAM, for which no TLS is needed. The first
// two rest on MD5: use them only for old clients that cannot do TLS.
type SharedSecrets interface {
	Authenticator

	// SharedSecret returns the secret of login.User, and the user whose
	// mailbox to open. [mailbox.ErrAuthFailed] means that there is no such user,
	// or no secret.
	SharedSecret(ctx context.Context, login mailbox.Login) (secret, user string, err error)
}

// SCRAMSecrets is an [Authenticator] that knows its users' secrets for SCRAM. It
// switches on SCRAM-SHA-256, and SCRAM-SHA-1 if it is also [Selective] and offers
// that. A client that can do SCRAM uses it: so a user who has no such secret is
// locked out, and [Selective.Offers] should then say no.
type SCRAMSecrets interface {
	Authenticator

	// SCRAMSecret returns the secret of login.User for a hash, crypto.SHA256 or
	// crypto.SHA1, and the user whose mailbox to open.
	//
	// [mailbox.ErrAuthFailed] means that there is no such user. The client does
	// not learn that: it goes on with the secret that is returned with the error,
	// if one is (see secret.Decoy), else with one whose salt differs between
	// processes.
	SCRAMSecret(ctx context.Context, login mailbox.Login, hash crypto.Hash) (s secret.SCRAM, user string, err error)
}

// Tokens is an [Authenticator] that knows bearer tokens, as those of OAuth. It
// switches on OAUTHBEARER (RFC 7628) and XOAUTH2.
type Tokens interface {
	Authenticator

	// AuthenticateToken checks login.Token, and returns the user to whom it
	// belongs. login.User is what the client says that it is, perhaps empty,
	// which proves nothing.
	//
	// [mailbox.ErrAuthFailed] means that the token is no good; a [*TokenError]
	// is that error, and tells the client more.
	AuthenticateToken(ctx context.Context, login mailbox.Login) (user string, err error)
}

// TokenError is why a token is no good. The client gets all of it (RFC 7628
// section 3.2.2).
type TokenError struct {
	Status              string // a code of RFC 6750 section 3.1; "" means "invalid_token"
	Scope               string // that a token should have; "" says nothing of it
	OpenIDConfiguration string // the URL where the client finds who gives tokens; "" says nothing of it
}

func (e *TokenError) Error() string {
	return "token refused: " + cmp.Or(e.Status, "invalid_token")
}

// Unwrap returns [mailbox.ErrAuthFailed].
func (e *TokenError) Unwrap() error { return mailbox.ErrAuthFailed }

// Certificates is an [Authenticator] that knows whose a client's certificate is.
// It switches on EXTERNAL (RFC 4422 appendix A), for clients with a certificate
// that TLSConfig.ClientCAs vouches for.
type Certificates interface {
	Authenticator

	// AuthenticateCertificate returns the user to whom the certificate
	// login.TLS.VerifiedChains[0][0] belongs, or login.AuthorizationID if that
	// is set and the user may act for it. [mailbox.ErrAuthFailed] means nobody.
	AuthenticateCertificate(ctx context.Context, login mailbox.Login) (user string, err error)
}

// Anonymous is an [Authenticator] that lets anybody in. It switches on ANONYMOUS
// (RFC 4505).
type Anonymous interface {
	Authenticator

	// AuthenticateAnonymous returns the user whose mailbox to open. login.User
	// is a text by which the client may have said who it is.
	AuthenticateAnonymous(ctx context.Context, login mailbox.Login) (user string, err error)
}
