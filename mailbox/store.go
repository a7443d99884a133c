package mailbox

import (
	"context"
)

// Store opens maildrops. It is safe for concurrent use.
type Store interface {
	// Open opens the maildrop of login.User. A user who never got mail has an
	// empty maildrop: whether a user exists is the business of a [Directory]
	// and of the host's authenticator, not of the store. It returns
	// [ErrInUse] where the store allows one session at a time, [ErrNoSuchUser]
	// for a name that can be nobody's, and [ErrAuthFailed] where the store
	// itself checks the credentials (a gateway does).
	Open(ctx context.Context, login Login) (Mailbox, error)

	// Close waits for work that goes on behind the sessions, until ctx ends.
	// The sessions should be closed before. Calls after Close return
	// [ErrClosed].
	Close(ctx context.Context) error
}
