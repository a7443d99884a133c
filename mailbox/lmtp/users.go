package lmtp

import (
	"context"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// Users is a [mailbox.Directory] for first programs and tests: the users by their
// addresses, which are canonical ([mailbox.CanonicalUser]), so in lower case. A
// user may have several.
//
//	lmtp.Users{"anna@example.org": "anna", "postmaster": "anna"}
type Users map[string]string

// Lookup implements [mailbox.Directory].
func (u Users) Lookup(_ context.Context, address string) (string, error) {
	name, err := mailbox.CanonicalUser(address)
	if err != nil {
		return "", err
	}
	user, known := u[name]
	if !known {
		return "", fmt.Errorf("%q: %w", address, mailbox.ErrNoSuchUser)
	}
	return user, nil
}
