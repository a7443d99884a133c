package memory

import (
	"time"

	"github.com/popcask/popcask/mailbox"
)

// userMailbox is the mail of one user.
type userMailbox struct {
	// messages are in the order of delivery. The elements of the slice are never
	// overwritten: a delivery appends, a removal makes a new slice. So a caller
	// that holds the slice has a snapshot, at no cost.
	messages []*message
	byID     map[string]*message
	octets   int64

	// shown is true for a unique-id that a message shows, and false for a
	// foreign one whose message was removed.
	shown map[string]bool
}

// message is never changed after its delivery.
type message struct {
	mailbox.Message
	body  []byte // canonical
	added time.Time
}

// old returns the IDs of the messages that were added by then.
func (b *userMailbox) old(then time.Time) (ids []string) {
	for _, m := range b.messages {
		if m.added.After(then) {
			break
		}
		ids = append(ids, m.ID)
	}
	return ids
}

// settle returns the unique-id of its own that a new message gets, as
// [mailbox.Delivery.UIDL] asks: legal, and not one that another message shows.
func (b *userMailbox) settle(uidl string) string {
	if uidl == "" {
		return ""
	}
	uidl = mailbox.SafeUIDL(uidl)
	if b.shown[uidl] {
		return ""
	}
	return uidl
}

func (b *userMailbox) add(m *message) {
	b.messages = append(b.messages, m)
	b.byID[m.ID] = m
	b.shown[mailbox.UIDL(m.Message)] = true
	b.octets += m.Size
}

// remove removes those of ids that are there, and returns them.
func (b *userMailbox) remove(ids []string) []mailbox.Message {
	removed := make([]mailbox.Message, 0, len(ids))
	for _, id := range ids {
		m := b.byID[id]
		if m == nil {
			continue
		}
		removed = append(removed, m.Message)
		delete(b.byID, id)
		b.octets -= m.Size
		if m.UIDL == "" {
			delete(b.shown, m.ID)
		} else {
			b.shown[m.UIDL] = false
		}
	}
	if len(removed) > 0 {
		kept := make([]*message, 0, len(b.byID))
		for _, m := range b.messages {
			if b.byID[m.ID] != nil {
				kept = append(kept, m)
			}
		}
		b.messages = kept
	}
	return removed
}
