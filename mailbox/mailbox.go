package mailbox

import (
	"context"
	"io"
	"iter"
)

// Message is a message as a listing shows it: its identity and its size, not its
// content.
type Message struct {
	// ID is the message ID, the store's own key of the message: opaque, not
	// empty, and unique in the mailbox for all time. A second message never gets
	// the same ID.
	ID string

	// UIDL is the unique-id of a message that came with a foreign one, in a
	// migration. Otherwise it is empty, and function [UIDL] derives from ID the
	// unique-id that clients see (RFC 1939 section 7). It is decided when the
	// message is delivered and never changes.
	UIDL string

	// Size is the size of the message in octets of its canonical form: every
	// line, the last one too, ends in CRLF, and nothing is byte-stuffed.
	// Negative means unknown: the server reads the message and counts if a
	// client asks.
	Size int64
}

// Mailbox is one user's mailbox for the length of one POP3 session. It is used
// by one goroutine at a time.
//
// Message numbers, delete marks, totals and byte-stuffing belong to the server;
// a Mailbox sees only these four calls. The server calls Delete only after the
// client has said QUIT.
//
// Every call has its own context. After a call whose context has ended, the
// other calls still work.
//
// A mailbox may also be a [Sizer] and a [Receipter]. A wrapper must forward those
// two, or the server does not see them.
//
// Other callers may use the helpers [List] and [ReadMessage].
type Mailbox interface {
	// Messages lists the mailbox, oldest first, always in the same order. A
	// listing is whole or it is an error, never silently short: an error ends
	// the sequence, and the server then refuses the login as a temporary
	// failure. The server ranges over Messages once, at the start of the
	// session, and stops early if its limit of messages is reached.
	Messages(ctx context.Context) iter.Seq2[Message, error]

	// Open returns the octets of a message. They may have any line ends: the
	// server makes them canonical. If the reader is an [io.WriterTo], the server
	// calls WriteTo, which saves a copy; WriteTo must not use its writer after it
	// has returned. If the reader is a [CanonicalBody], the server does not look
	// for line ends.
	//
	// If the message is gone for certain, the error is [ErrNotFound]. If it
	// cannot be read at the moment, it is [ErrTemporary] or any other error.
	//
	// Open is not called while another reader of the session is open. Its
	// context lasts until the reader is closed.
	Open(ctx context.Context, id string, options OpenOptions) (io.ReadCloser, error)

	// Delete removes messages for good, in one call for the whole session. A
	// message is removed wholly or not at all. An ID that is not there, or not
	// any more, is a success: another session or another data centre may have
	// been faster. If some messages cannot be removed, Delete returns a
	// [*DeleteError] that names them. After any other error it is not known
	// which were removed.
	Delete(ctx context.Context, ids []string) error

	// Close ends the session and removes nothing. It is called exactly once,
	// after every other call has returned.
	Close() error
}

// Purpose is what [Mailbox.Open] is for.
type Purpose uint8

const (
	// Retrieve: a client gets the whole message (RETR).
	Retrieve Purpose = iota

	// Top: a client gets the header, the blank line and the first lines of the
	// body (TOP, RFC 1939 section 7), so that the store need not fetch the rest.
	// A store may send more: the server cuts it.
	Top

	// Measure: the server counts the octets of a message whose size the store
	// does not know, and no client gets any of them. A [Sizer] is not asked so.
	Measure
)

// OpenOptions says what the server is about to do with a message. The zero value
// asks for the whole message. All of it is advice: a store that ignores it is
// correct, but slower.
type OpenOptions struct {
	// For is what the message is opened for.
	For Purpose

	// Lines is how many lines of the body a client gets. It counts for Top only.
	Lines int

	// Next yields the IDs that the client will probably ask for next, soonest
	// first, for stores that read ahead. It may be nil. The store must not use
	// it after Open has returned.
	Next iter.Seq[string]
}

// CanonicalBody is what [Mailbox.Open] may return if the store keeps the
// canonical form. Sending it is cheaper, because the server does not look for
// line ends. A wrapper that changes the octets must not forward IsCanonical.
type CanonicalBody interface {
	io.ReadCloser

	// IsCanonical reports whether the octets are in the canonical form, for
	// certain.
	IsCanonical() bool
}

// SizedBody is what [Mailbox.Open] may return if the store knows the exact size
// of a message once it is open, which may differ from what it has listed. A
// wrapper that changes the octets must not forward CanonicalSize.
type SizedBody interface {
	io.ReadCloser

	// CanonicalSize returns how many octets the canonical form of the whole
	// message has, as [Message.Size] counts them, however much of it was read.
	// Negative means unknown.
	CanonicalSize() int64
}

// Sizer is a [Mailbox] that finds out the size of a message by itself. The server
// asks it for each message that was listed with an unknown size, once a client
// asks for that size.
type Sizer interface {
	// Size returns the size of a message, as [Message.Size] counts it. If that
	// is negative, the server opens the message and counts. If the message is
	// gone for certain, the error is [ErrNotFound], or the size is negative. Other
	// errors are those of [Mailbox.Open].
	Size(ctx context.Context, id string) (int64, error)
}

// Receipter is a [Mailbox] that is told which messages its client has got: to
// set a seen flag, or to remove what was retrieved (EXPIRE 0, RFC 2449 section
// 6.7).
type Receipter interface {
	// Retrieved is called after a whole message and the end of the response were
	// handed to the connection (RETR). It is called once for each RETR, in
	// order, and before Delete. After a connection that broke it is not called,
	// and a client may have got the message all the same.
	//
	// An error is reported to the host, and changes nothing for the client.
	Retrieved(ctx context.Context, id string) error
}
