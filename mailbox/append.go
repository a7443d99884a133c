package mailbox

import (
	"context"
	"io"
	"time"
)

// Appender is a store that takes deliveries. It is safe for concurrent use.
// [Deliver] is the short form for one recipient.
type Appender interface {
	// Append delivers one body to one or several recipients. results[i]
	// belongs to delivery.Recipients[i]: a nil Err there means that the
	// message is stored as safely as the store can, and listed by every later
	// session; anything else means that this recipient did not get it.
	//
	// An error beside the results means that nobody got it, and that the
	// results are nil: the body could not be read to its end, or the delivery
	// itself was wrong.
	//
	// The body may have any line ends; the store keeps or makes the canonical
	// form. It is read once, to the end, and no delivery is visible before.
	Append(ctx context.Context, delivery Delivery, body io.Reader) (results []Result, err error)
}

// DefaultMaxMessageSize is the largest message, in octets of its canonical form,
// that the stores of this module take unless their MaxMessageSize says otherwise:
// there 0 means this and a negative number means no limit.
const DefaultMaxMessageSize = 64 << 20

// Delivery describes one message on its way to its recipients. [To] makes one
// from the names of users.
type Delivery struct {
	// Recipients are the maildrops that get a copy, each of its own.
	Recipients []Recipient

	// Received is when the message was received. Zero means now. A store
	// orders by delivery, not by this.
	Received time.Time

	// UIDL is the unique-id that the message had in the system it comes from,
	// for migrations: clients that have seen it there do not fetch it again.
	// Empty for ordinary mail. It is settled once, here, for the life of the
	// message: an illegal one is replaced by [SafeUIDL]; one that another
	// message in the maildrop shows already is dropped, and the message shows
	// the one derived from its ID.
	UIDL string
}

// Recipient is one maildrop that a delivery goes to.
type Recipient struct {
	// User names the maildrop. The store makes it canonical.
	User string

	// Header goes before the body for this recipient alone, as the trace
	// fields of a final delivery do (Return-Path, Delivered-To). It consists
	// of whole lines or is empty, and counts as a part of the message.
	Header string
}

// Result is what became of a delivery for one recipient.
type Result struct {
	// ID, UIDL and Size are those of the stored message, as a listing shows
	// it. They are set only where Err is nil.
	Message

	// Err tells why this recipient did not get the message: [ErrNoSuchUser],
	// [ErrOverQuota], [ErrTooLarge] are final; [ErrTemporary] and everything
	// else means that the sender should try again later.
	Err error
}
