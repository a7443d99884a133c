package mailbox

import (
	"context"
	"time"
)

// Store opens mailboxes. It is safe for concurrent use.
type Store interface {
	// Open opens the mailbox of login.User. A user who never got mail has an
	// empty mailbox: a [Directory] and the host's authenticator know whether a
	// user exists, the store does not. The mailbox outlives ctx, which ends soon
	// after Open has returned.
	//
	// Errors: [ErrNoSuchUser] for a name that no user can have; [ErrInUse] if
	// the store allows one session at a time and there is one; [ErrAuthFailed]
	// if the store itself checks the credentials, as a gateway does, and
	// refuses them.
	Open(ctx context.Context, login Login) (Mailbox, error)

	// Close waits for work in the background, until ctx ends. The sessions
	// should be closed before. Calls after Close return [ErrClosed].
	Close(ctx context.Context) error
}

// Expirer is a [Store] that removes messages when they are old. A wrapper of a
// store must forward it, or the server does not see it.
type Expirer interface {
	Store

	// Retention is how long a message stays after its delivery, if nobody
	// removes it; 0 is for ever. An older message is in no listing any more, and
	// the store removes it in time.
	Retention() time.Duration
}
