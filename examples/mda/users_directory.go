package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// Lookup implements [mailbox.Directory].
func (u *users) Lookup(_ context.Context, address string) (string, error) { return u.resolve(address) }

// resolve returns the user to whom an address belongs: the user of that name,
// else the user whose name is the part before the @. Mail and logins follow the
// same rule. The error is [mailbox.ErrNoSuchUser].
func (u *users) resolve(address string) (user string, err error) {
	name, err := mailbox.CanonicalUser(address)
	if err != nil {
		return "", err
	}
	if _, known := u.secrets[name]; known {
		return name, nil
	}
	if at := strings.LastIndexByte(name, '@'); at >= 0 {
		name = name[:at]
	}
	if _, known := u.secrets[name]; known {
		return name, nil
	}
	return "", fmt.Errorf("%q: %w", address, mailbox.ErrNoSuchUser)
}
