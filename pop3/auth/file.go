package auth

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"os"

	"github.com/popcask/popcask/internal/latest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

// File is the [Users] that a file has now. It is read again when it has changed,
// which is looked at once a second at most, and by Again. If it cannot be read
// then, or is wrong, that is logged, and what it said before stays. Sessions
// that are open stay when it changes.
type File struct{ *latest.Latest[*Users] }

var (
	_ mailbox.Directory  = File{}
	_ pop3.SharedSecrets = File{}
	_ pop3.SCRAMSecrets  = File{}
	_ pop3.Selective     = File{}
)

// OpenFile reads a file of users for the first time: see [ParseUsers]. What is no
// regular file, such as a pipe, is not read again. A nil logger logs nothing.
func OpenFile(log *slog.Logger, name string) (File, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	users, err := latest.New(log, func() (*Users, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		u, err := ParseUsers(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return u, nil
	}, name)
	return File{users}, err
}

// Lookup implements [mailbox.Directory].
func (f File) Lookup(ctx context.Context, address string) (string, error) {
	return f.Get().Lookup(ctx, address)
}

// Offers implements [pop3.Selective].
func (f File) Offers(mechanism string) bool { return f.Get().Offers(mechanism) }

// Authenticate implements [pop3.Authenticator].
func (f File) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	return f.Get().Authenticate(ctx, login)
}

// SharedSecret implements [pop3.SharedSecrets].
func (f File) SharedSecret(ctx context.Context, login mailbox.Login) (shared, user string, err error) {
	return f.Get().SharedSecret(ctx, login)
}

// SCRAMSecret implements [pop3.SCRAMSecrets].
func (f File) SCRAMSecret(ctx context.Context, login mailbox.Login, hash crypto.Hash) (secret.SCRAM, string, error) {
	return f.Get().SCRAMSecret(ctx, login, hash)
}
