package mailbox

import (
	"context"
	"fmt"
)

// EventKind says what happened to a maildrop.
type EventKind uint8

const (
	Added   EventKind = iota + 1 // messages were delivered
	Removed                      // messages were removed
)

// String returns "added" or "removed".
func (k EventKind) String() string {
	switch k {
	case Added:
		return "added"
	case Removed:
		return "removed"
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Event tells a [Listener] what happened to one maildrop.
type Event struct {
	Kind EventKind
	User string // canonical

	// Messages are those concerned. For Removed only the IDs are sure to be
	// set.
	Messages []Message
}

// EventSource is a store that tells listeners what happens to its mailboxes.
// Stores implement it in addition to [Store], most of them with a [Listeners]. A
// wrapper of a store forwards it, as it does [Appender]. It is safe for
// concurrent use.
type EventSource interface {
	// Listen adds a listener. It hears of what happens from now on, and what it
	// has not heard yet when the store is closed Close waits for.
	Listen(listener Listener)
}

// Listener hears of changes after they are certain: to notify, to count quota,
// to index. It never refuses mail and never delays it. An event may come twice,
// late, out of order, and after a crash not at all.
type Listener interface {
	// MailboxChanged is called for one event at a time. An error goes to the
	// store's OnError hook as a [*ListenerError], and nowhere else. The context
	// ends with [Listeners.Timeout].
	MailboxChanged(ctx context.Context, event Event) error
}

// ListenerFunc is a function as a [Listener].
type ListenerFunc func(ctx context.Context, event Event) error

// MailboxChanged calls f.
func (f ListenerFunc) MailboxChanged(ctx context.Context, event Event) error { return f(ctx, event) }
