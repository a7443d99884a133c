package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
)

// Authenticate implements [pop3.Authenticator]. The login may be any address of
// the user.
func (u *users) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	user, err := u.resolve(login.User)
	if fits := u.fits(u.secrets[user], login.Password); err != nil || !fits {
		return "", mailbox.ErrAuthFailed
	}
	if err := u.actsForItself(user, login.AuthorizationID); err != nil {
		return "", err
	}
	return user, nil
}

// fits reports whether a password is that of a secret, which is the zero secret
// if the user is unknown. For each secret it does the work of the dearest one,
// so that the time shows neither who exists nor who has which cost: after a
// hash of cost n, hashes of the costs n, n+1, ..., dearest-1 make up the 2^dearest
// rounds of the dearest.
func (u *users) fits(s secret, password string) bool {
	fits := samePlain(s.plain, password)
	if u.dearest == 0 {
		return fits
	}
	hash := s.bcrypt
	if hash == nil {
		hash = dummyHash(bcrypt.MinCost)
	}
	matches := u.compare(hash, []byte(password)) == nil
	cost, _ := bcrypt.Cost(hash)
	for ; cost < u.dearest; cost++ {
		u.compare(dummyHash(cost), []byte(password))
	}
	if s.bcrypt != nil {
		return matches
	}
	return fits
}

// dummyHash is well-formed, and no known password has it.
func dummyHash(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat(".", 53))
}

// samePlain reports whether two secrets are the same. It takes equally long for
// all secrets of the same lengths.
func samePlain(want, got string) bool {
	w, g := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(w[:], g[:]) == 1
}

// actsForItself refuses a user that asks for the mailbox of another one.
func (u *users) actsForItself(user, authorizationID string) error {
	if authorizationID == "" {
		return nil
	}
	if other, err := u.resolve(authorizationID); err != nil || other != user {
		return fmt.Errorf("%w: %s may not act for %q", mailbox.ErrAuthFailed, user, authorizationID)
	}
	return nil
}

// sharedSecret is the plain secret of a user.
func (u *users) sharedSecret(login mailbox.Login) (plain, user string, err error) {
	user, err = u.resolve(login.User)
	if err != nil || u.secrets[user].plain == "" {
		return "", "", mailbox.ErrAuthFailed
	}
	return u.secrets[user].plain, user, nil
}
