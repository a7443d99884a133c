package auth

import (
	"context"
	"crypto"
	"errors"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

// Chain is several authenticators as one. The client is the user that the first
// of them knows it to be. If none does, and one could not answer, the client is
// told to try again later. A name that two of them have is the first one's, except
// for clients that send the password.
//
// A mechanism that only some of the users could use is not offered, since a
// client that knows it insists on it: APOP, CRAM-MD5 and SCRAM are offered if
// all offer them that take passwords. Any other is offered if one offers it.
type Chain []pop3.Authenticator

var (
	_ pop3.SharedSecrets = Chain{}
	_ pop3.SCRAMSecrets  = Chain{}
	_ pop3.Tokens        = Chain{}
	_ pop3.Certificates  = Chain{}
	_ pop3.Anonymous     = Chain{}
	_ pop3.Selective     = Chain{}
)

// Offers implements [pop3.Selective].
func (c Chain) Offers(mechanism string) bool {
	some, all := false, true
	for _, a := range c {
		offers := pop3.Offers(a, mechanism)
		some = some || offers
		if pop3.Offers(a, "USER") || pop3.Offers(a, "PLAIN") {
			all = all && offers
		}
	}
	switch mechanism {
	case "APOP", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1":
		return some && all
	}
	return some
}

// Authenticate implements [pop3.Authenticator].
func (c Chain) Authenticate(ctx context.Context, login mailbox.Login) (user string, err error) {
	return first(c, login, func(a pop3.Authenticator) (string, error) { return a.Authenticate(ctx, login) })
}

// AuthenticateToken implements [pop3.Tokens].
func (c Chain) AuthenticateToken(ctx context.Context, login mailbox.Login) (user string, err error) {
	return first(c, login, func(a pop3.Tokens) (string, error) { return a.AuthenticateToken(ctx, login) })
}

// AuthenticateCertificate implements [pop3.Certificates].
func (c Chain) AuthenticateCertificate(ctx context.Context, login mailbox.Login) (user string, err error) {
	return first(c, login, func(a pop3.Certificates) (string, error) { return a.AuthenticateCertificate(ctx, login) })
}

// AuthenticateAnonymous implements [pop3.Anonymous].
func (c Chain) AuthenticateAnonymous(ctx context.Context, login mailbox.Login) (user string, err error) {
	return first(c, login, func(a pop3.Anonymous) (string, error) { return a.AuthenticateAnonymous(ctx, login) })
}

// found is what a chain knows of a user whose client will send a proof.
type found struct {
	secret string       // of SharedSecret
	keys   secret.SCRAM // of SCRAMSecret
	user   string
}

// SharedSecret implements [pop3.SharedSecrets].
func (c Chain) SharedSecret(ctx context.Context, login mailbox.Login) (shared, user string, err error) {
	f, err := c.owner(login, func(a pop3.Authenticator, login mailbox.Login) (f found, err error) {
		secrets, ok := a.(pop3.SharedSecrets)
		if !ok {
			return f, mailbox.ErrAuthFailed
		}
		f.secret, f.user, err = secrets.SharedSecret(ctx, login)
		return f, err
	})
	return f.secret, f.user, err
}

// SCRAMSecret implements [pop3.SCRAMSecrets].
func (c Chain) SCRAMSecret(ctx context.Context, login mailbox.Login, hash crypto.Hash) (keys secret.SCRAM, user string, err error) {
	f, err := c.owner(login, func(a pop3.Authenticator, login mailbox.Login) (f found, err error) {
		f.keys, f.user, err = pop3.SCRAMSecret(ctx, a, login, hash)
		return f, err
	})
	return f.keys, f.user, err
}

// first asks those of a chain that are an A and offer the mechanism of the
// login, until one of them knows the client.
func first[A pop3.Authenticator, R any](c Chain, login mailbox.Login, ask func(A) (R, error)) (R, error) {
	var none R
	wrong, failed := error(mailbox.ErrAuthFailed), error(nil)
	for _, member := range c {
		a, ok := member.(A)
		if !ok || !pop3.Offers(member, login.Mechanism) {
			continue
		}
		result, err := ask(a)
		switch {
		case err == nil:
			return result, nil
		case isWrong(err):
			wrong = err
		default:
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return none, failed
	}
	return none, wrong
}

// owner asks for a secret those of a chain that offer the mechanism of the login.
// It asks all of them, so that the time shows neither who has the user nor
// whether anybody has. What the client wants to act for does not change whose
// secret it gets: that is asked for once more at the end, of nobody's too.
func (c Chain) owner(login mailbox.Login, ask func(pop3.Authenticator, mailbox.Login) (found, error)) (f found, err error) {
	alone := login
	alone.AuthorizationID = ""
	var has pop3.Authenticator
	isFound, wrong, failed := false, error(mailbox.ErrAuthFailed), error(nil)
	for _, a := range c {
		if !pop3.Offers(a, login.Mechanism) {
			continue
		}
		if !isFound {
			has = a
		}
		one, err := ask(a, alone)
		switch {
		case isFound:
		case err == nil:
			f, isFound = one, true
		case !isWrong(err):
			failed = errors.Join(failed, err)
		default:
			wrong = err
			if f.keys.Hash == 0 { // the first that was made up
				f = one
			}
		}
	}
	if login.AuthorizationID != "" && has != nil {
		again, err := ask(has, login)
		if isFound {
			return again, err
		}
	}
	switch {
	case isFound:
		return f, nil
	case failed != nil:
		return f, failed
	}
	return f, wrong
}

func isWrong(err error) bool {
	return errors.Is(err, mailbox.ErrAuthFailed) || errors.Is(err, mailbox.ErrNoSuchUser)
}
