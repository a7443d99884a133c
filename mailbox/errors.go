package mailbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The errors of stores. A store wraps them with %w and says what it was doing;
// callers use [errors.Is]. An error that is none of these counts as temporary.
var (
	// ErrNotFound: the message is gone for certain. It is never returned for a
	// message that only cannot be reached at the moment.
	ErrNotFound = errors.New("no such message")

	// ErrNoSuchUser: there is no such user, for certain.
	ErrNoSuchUser = errors.New("no such user")

	// ErrAuthFailed: the credentials are wrong or the user is unknown. A client
	// is never told which.
	ErrAuthFailed = errors.New("authentication failed")

	// ErrInUse: another session has the mailbox open, and the store allows one
	// at a time.
	ErrInUse = errors.New("mailbox in use")

	// ErrTemporary: try again later.
	ErrTemporary = errors.New("temporary failure")

	// ErrPermanent: trying again does not help before an operator has
	// intervened.
	ErrPermanent = errors.New("permanent failure")

	// ErrOverQuota: the message does not fit into the quota of the mailbox.
	ErrOverQuota = errors.New("mailbox over quota")

	// ErrTooLarge: the message is larger than the store takes.
	ErrTooLarge = errors.New("message too large")

	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store closed")
)

// DeleteError names the messages that [Mailbox.Delete] could not remove; all
// other messages of the call are gone. [errors.Is] and [errors.As] find its
// causes.
type DeleteError struct {
	Failed map[string]error // why, by message ID; not empty, and no error is nil
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
