package mailbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What can go wrong in a store. Stores wrap them with %w and what they were
// doing; callers ask with [errors.Is]. An error that is none of these counts
// as temporary.
var (
	// ErrNotFound: the message is gone for certain. Never for one that merely
	// cannot be reached at the moment.
	ErrNotFound = errors.New("no such message")

	// ErrNoSuchUser: there is no such user, for certain.
	ErrNoSuchUser = errors.New("no such user")

	// ErrAuthFailed: the credentials are wrong, or the user is unknown: a
	// client is never told which.
	ErrAuthFailed = errors.New("authentication failed")

	// ErrInUse: another session has the maildrop for itself.
	ErrInUse = errors.New("maildrop in use")

	// ErrTemporary: try again later.
	ErrTemporary = errors.New("temporary failure")

	// ErrPermanent: trying again will not help; somebody must mend something.
	ErrPermanent = errors.New("permanent failure")

	// ErrOverQuota: the maildrop may not grow any more.
	ErrOverQuota = errors.New("maildrop over quota")

	// ErrTooLarge: the message is larger than the store takes.
	ErrTooLarge = errors.New("message too large")

	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store closed")
)

// DeleteError names the messages that [Mailbox.Delete] could not remove; all
// the others of the call are gone. [errors.Is] and [errors.As] look into the
// causes.
type DeleteError struct {
	Failed map[string]error // by message ID; never empty, no nil in it
}

func (e *DeleteError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d messages not removed", len(e.Failed))
	const shown = 3
	for i, id := range e.ids() {
		if i == shown {
			text.WriteString("; ...")
			break
		}
		fmt.Fprintf(&text, "; %q: %v", id, e.Failed[id])
	}
	return text.String()
}

// Unwrap returns the causes, in the order of the message IDs.
func (e *DeleteError) Unwrap() []error {
	causes := make([]error, 0, len(e.Failed))
	for _, id := range e.ids() {
		causes = append(causes, e.Failed[id])
	}
	return causes
}

func (e *DeleteError) ids() []string {
	ids := make([]string, 0, len(e.Failed))
	for id := range e.Failed {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
