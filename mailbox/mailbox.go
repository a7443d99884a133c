package mailbox

import (
	"context"
	"io"
	"iter"
)

// Message is one entry of a maildrop as a listing shows it: who it is and how
// large it is, not what it says.
type Message struct {
	// ID is the store's own key of the message: opaque, not empty, unique in
	// the maildrop for all time. An ID is never given to a second message.
	ID string

	// UIDL is the unique-id that clients see (RFC 1939 section 7). Empty means
	// that the store keeps none of its own and [UIDL] derives it from ID; only
	// mail that came with a foreign unique-id (a migration) carries one here.
	// It is settled when the message is delivered and never changes.
	UIDL string

	// Size counts the octets of the canonical form: every line ends in CRLF,
	// the last one too, before any byte-stuffing. Negative means unknown: the
	// server reads the message and counts when a client asks.
	Size int64
}

// Mailbox is one user's maildrop for the length of one POP3 session. It is
// used by one goroutine at a time.
//
// The server owns message numbers, delete marks, sums and byte-stuffing; a
// Mailbox sees only these four calls. It is never asked to delete before the
// client has said QUIT.
//
// [List] and [ReadMessage] are helpers over it for other callers.
type Mailbox interface {
	// Messages lists the maildrop, oldest first, always in the same order. The
	// server ranges over it once, when the session opens, and stops early when
	// its limit of messages is reached. An error ends the sequence, and the
	// login is then refused as a temporary failure: a listing is whole or it
	// is an error, never silently short.
	Messages(ctx context.Context) iter.Seq2[Message, error]

	// Open returns the octets of a message with any line ends: the server
	// makes them canonical. A message that is gone for certain is
	// [ErrNotFound]; one that cannot be had at the moment is [ErrTemporary] or
	// any other error. A reader that also implements [io.WriterTo] is asked to
	// write itself, which saves a copy; one that is a [CanonicalBody] is not
	// searched for line ends.
	//
	// Open may be called while no other reader of the session is open. Its
	// context lasts until that is closed.
	Open(ctx context.Context, id string, options OpenOptions) (io.ReadCloser, error)

	// Delete removes messages for good, in one call for the whole session. An
	// ID that is not there (any more) is a success: another session or another
	// data centre may have been faster. When some of them cannot be removed it
	// returns a [*DeleteError] that names them; any other error means that it
	// is not known which were removed. A message is removed wholly or not at
	// all.
	Delete(ctx context.Context, ids []string) error

	// Close ends the session without removing anything. It is called exactly
	// once, after every other call has returned.
	Close() error
}

// OpenOptions says what the server is about to do with a message. The zero
// value asks for the whole message. All of it is advice: a store that ignores
// it is correct, only slower.
type OpenOptions struct {
	// Top says that only the header, the blank line and the first Lines lines
	// of the body are wanted (TOP, RFC 1939 section 7), so that a store need
	// not fetch the rest. A store may send more: the server cuts.
	Top   bool
	Lines int

	// Next yields the IDs that the client will probably ask for after this
	// one, soonest first, for stores that read ahead. It may be nil, and it
	// must not be used after Open has returned.
	Next iter.Seq[string]
}

// CanonicalBody is what [Mailbox.Open] may return where a store keeps the
// canonical form and is sure of it: sending it is cheaper, since nobody needs to
// look at every line end. Whoever wraps one and changes its octets must not
// forward IsCanonical.
type CanonicalBody interface {
	io.ReadCloser
	IsCanonical() bool
}
