package mailbox

import (
	"context"
	"fmt"
)

// EventKind is what happened to a mailbox.
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

// Event tells a [Listener] what happened to one mailbox.
type Event struct {
	Kind EventKind
	User string // canonical

	// Messages are the messages that were delivered or removed. Of a removed one
	// only the ID is always set.
	Messages []Message
}

// EventSource is a store that tells listeners what happens to its mailboxes. A
// store implements it in addition to [Store], usually with [Listeners]. A
// wrapper of a store should forward it, as it does [Appender]. It is safe for
// concurrent use.
type EventSource interface {
	// Listen adds a listener, which hears of everything that happens from now
	// on. [Store.Close] waits until the listeners have heard of it.
	Listen(listener Listener)
}

// Listener hears of changes after they are certain: to notify a user, to count
// quota, to index. It cannot refuse or delay mail. An event may come twice,
// late or out of order, and after a crash not at all.
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
