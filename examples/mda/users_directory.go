package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// Lookup implements [mailbox.Directory]: an address belongs to the user of that
// name, else to the user whose name is the part before the @.
func (u *users) Lookup(_ context.Context, address string) (string, error) {
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
