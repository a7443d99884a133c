package cassandra

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

// Index lists mailboxes. Package projection has one; package
// cassandra/indextest is the conformance kit for others.
//
// The store calls Added before a delivery is acknowledged, and Removed before a
// removal is: if the index fails, so does the delivery or the removal. All
// methods may be called by several goroutines, twice, late, and in any order.
//
// An implementation has tables of its own, which [Session.Define] creates, and
// reads and writes them with [Session.DB]. Four rules make its rows right in
// any order of the calls, as those of the store are:
//
//   - The partition key is the mailbox, a uuid, and the bucket, a bigint, in
//     this order; the clustering column is the message ID, a timeuuid.
//     [MessageID.Bucket], [Slice.Borders], [Token] and [MessageID.Compare] are the
//     functions for that key.
//   - A write that lists a message has the timestamp [AddedAt], at
//     LOCAL_QUORUM. Its columns depend on the [Entry] alone.
//   - The write of Renamed has the timestamp [RenamedAt], at LOCAL_QUORUM. It
//     writes the same columns, with an empty unique-id.
//   - A write that takes a message off the list deletes the row of that ID,
//     with the timestamp [DeletedAt], at LOCAL_QUORUM.
//
// An error means that the call did not, or perhaps not, succeed, and that it
// may be tried again. If ctx ends, a call does all of its work, or returns an
// error that wraps that of the context. A caller may leave a sequence early;
// then no goroutine of it stays.
type Index interface {
	// Added lists a message. If its ID is [Session.TooOld], it writes nothing
	// and returns [ErrTooOld].
	Added(ctx context.Context, mailbox MailboxID, message Entry) error

	// Restore is Added without a limit of age. A repair calls it for a message
	// that it has found in the mailbox in every data centre.
	Restore(ctx context.Context, mailbox MailboxID, message Entry) error

	// Renamed is Restore for a message that shows its own ID from now on,
	// whatever it was added with, and whatever Added and Restore say of it,
	// before or after. A repair calls it if another message shows the same
	// foreign unique-id. message.UIDL is "".
	Renamed(ctx context.Context, mailbox MailboxID, message Entry) error

	// Removed takes messages off the list, forever. A message that is not
	// listed yet is never listed after that, even if an Added comes late.
	Removed(ctx context.Context, mailbox MailboxID, messages []MessageID) error

	// List returns the entries that are in the slices, as the replicas have
	// them that a read at the level asks: LOCAL_QUORUM for sessions; EACH_QUORUM
	// and ALL for repairs and proofs, for which it is an error if these replicas
	// do not answer. The slices of a bucket ascend and do not overlap, and so do
	// the buckets; the entries ascend, by [MessageID.Compare]. It reads when it
	// is ranged over, not before. An error ends the sequence. A slice with too
	// many tombstones is read in [Slice.Parts].
	List(ctx context.Context, level cql.Level, mailbox MailboxID, slices []Slice) iter.Seq2[Entry, error]

	// Scan returns the entries of all mailboxes in the buckets whose [Token] is
	// larger than after and at most until, at EACH_QUORUM. They come in the
	// order of the tokens, and within a bucket in the order of the IDs. An
	// error ends the sequence; if there are too many tombstones it is
	// [cql.ErrTooManyTombstones], and the store goes on with smaller ranges.
	Scan(ctx context.Context, after, until int64) iter.Seq2[Listed, error]
}

// Listed is an entry that [Index.Scan] returns, with its mailbox and its
// bucket.
type Listed struct {
	Mailbox MailboxID
	Bucket  int64 // [MessageID.Bucket] of the ID
	Entry
}

// Entry is a message in the listing of a mailbox.
type Entry struct {
	ID   MessageID
	Size int64  // octets of the canonical form
	UIDL string // the foreign unique-id; "" if the message shows its ID, as almost all do
}

// Slice is a part of one bucket: the IDs whose [MessageID.Timestamp], in
// microseconds since 1970, is at least From and at most To.
type Slice struct {
	Bucket   int64
	From, To int64

	// IDs, if not nil, are the only IDs of the slice that may be listed. They
	// ascend, are 100 at most, and are read by their keys: message_id IN ?.
	// What lies between them may be full of tombstones. Two slices with IDs may
	// share a microsecond.
	IDs []MessageID

	sealed *seal        // if not nil: how the slice is read if there are too many tombstones
	cut    *atomic.Bool // if not nil: set if there are
}

// Borders returns the smallest and the largest ID that the slice can have, in
// Cassandra's order of timeuuids: for message_id >= first AND message_id <=
// last.
func (s Slice) Borders() (first, last MessageID) { return firstIDAt(s.From), lastIDAt(s.To) }

// cuts is how many parts a slice is cut into.
const cuts = 8

// Parts returns smaller slices for one in which a read has met more tombstones
// than a node allows, in the same order. ok is false if there are none: the
// slice is shorter than a millisecond, and no mailbox gets 100,000 messages in
// that time.
func (s Slice) Parts() (parts []Slice, ok bool) {
	if s.cut != nil {
		s.cut.Store(true)
	}
	long := s.To - s.From + 1
	switch {
	case s.IDs != nil || long <= time.Millisecond.Microseconds():
		return nil, false
	case s.sealed != nil:
		return s.without(s.sealed), true
	}
	for i := range int64(cuts) {
		part := s
		part.From, part.To = s.From+i*(long/cuts), s.From+(i+1)*(long/cuts)-1
		if i == cuts-1 {
			part.To = s.To
		}
		parts = append(parts, part)
	}
	return parts, true
}

func (e Entry) message() mailbox.Message {
	return mailbox.Message{ID: e.ID.String(), UIDL: e.UIDL, Size: e.Size}
}
