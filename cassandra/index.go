package cassandra

import (
	"context"
	"iter"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Index lists mailboxes: package projection has one. The store tells it of each
// message before a delivery is acknowledged and before a removal is, so that it
// is a part of both.
//
// What an index writes about a message carries the timestamps [AddedAt] and
// [DeletedAt] of its ID, so that calls that come twice, late or in any order
// leave the same behind.
type Index interface {
	// Added lists a message. An ID that is [Session.TooOld] is [ErrTooOld].
	Added(ctx context.Context, mailbox MailboxID, message Entry) error

	// Restore is Added for a repair that has seen the message alive in every
	// data centre: of any age.
	Restore(ctx context.Context, mailbox MailboxID, message Entry) error

	// Removed takes messages off the list. Those that are not on it stay off
	// it for ever.
	Removed(ctx context.Context, mailbox MailboxID, messages []MessageID) error

	// List lists what is in the slices, in the order of the slices, which is
	// that of the IDs, and in the order of the IDs within each. It begins to
	// read when it is ranged over.
	List(ctx context.Context, mailbox MailboxID, slices []Slice) iter.Seq2[Entry, error]

	// ListEverywhere is List with the answer of every data centre, for
	// repair. It fails where one of them cannot be reached.
	ListEverywhere(ctx context.Context, mailbox MailboxID, slices []Slice) iter.Seq2[Entry, error]

	// Scan lists what is in the buckets of all mailboxes whose [Token] is
	// above after and at most until, with the answer of every data centre: in
	// the order of the tokens, and of the IDs within each bucket.
	Scan(ctx context.Context, after, until int64) iter.Seq2[Listed, error]
}

// Listed is an entry together with where it is.
type Listed struct {
	Mailbox MailboxID
	Bucket  int64
	Entry
}

// Entry is a message on the list of a mailbox.
type Entry struct {
	ID   MessageID
	Size int64  // octets of the canonical form
	UIDL string // foreign; empty for almost all mail
}

// Slice is a stretch of one bucket, in microseconds of the IDs' own time. Both
// ends belong to it.
type Slice struct {
	Bucket   int64
	From, To int64
}

// Borders are the first and the last ID that the slice can have.
func (s Slice) Borders() (first, last MessageID) { return firstIDAt(s.From), lastIDAt(s.To) }

// Halves cuts a slice in two, for reading one that has more tombstones than a
// node allows. It is not ok where the slice is a millisecond or less: no mailbox
// gets 100,000 messages in that.
func (s Slice) Halves() (lower, upper Slice, ok bool) {
	if s.To-s.From < time.Millisecond.Microseconds() {
		return s, s, false
	}
	lower, upper = s, s
	lower.To = s.From + (s.To-s.From)/2
	upper.From = lower.To + 1
	return lower, upper, true
}

func (e Entry) message() mailbox.Message {
	return mailbox.Message{ID: e.ID.String(), UIDL: e.UIDL, Size: e.Size}
}
