package mailbox

import (
	"context"
	"io"
	"time"
)

// Appender is a store that takes deliveries. It is safe for concurrent use.
// [Deliver] is the short form for one recipient.
type Appender interface {
	// Append delivers one message to one or several recipients. results[i]
	// belongs to delivery.Recipients[i]. If its Err is nil, the message is
	// stored as safely as the store can, and every later session lists it.
	// Otherwise this recipient did not get it.
	//
	// If Append returns an error, the results are nil and no recipient got the
	// message: the body could not be read to its end, or the delivery itself was
	// wrong.
	//
	// The body may have any line ends; the message has the canonical form
	// ([CanonicalReader]). The body is read once, to its end, and the message is
	// not visible before.
	Append(ctx context.Context, delivery Delivery, body io.Reader) (results []Result, err error)
}

// DefaultMaxMessageSize is the largest message, in octets of its canonical
// form, that the stores of this module take unless their MaxMessageSize says
// otherwise: there 0 means this and a negative number means no limit.
const DefaultMaxMessageSize = 64 << 20

// Delivery describes a message on its way to its recipients. [To] makes one from
// the names of users.
type Delivery struct {
	// Recipients are the users whose mailboxes get the message, each a copy of
	// its own.
	Recipients []Recipient

	// Received is when the message was received. Zero means now. It does not
	// affect the order of a listing, which is that of the deliveries.
	Received time.Time

	// UIDL is the foreign unique-id of a migrated message: the one it had in the
	// system that it comes from. Clients that have seen the message there do not
	// fetch it again. Empty for ordinary mail.
	//
	// The unique-id of the message is decided by Append, once and for all. An
	// illegal one is replaced by [SafeUIDL]. One that another message of the
	// mailbox shows already is dropped, and the message shows the one that is
	// derived from its ID.
	UIDL string
}

// Recipient is a user that a delivery goes to.
type Recipient struct {
	// User is the name of the user. The store makes it canonical.
	User string

	// Header goes before the body, for this recipient only: the trace fields of
	// a final delivery (Return-Path, Delivered-To). It consists of whole lines
	// or is empty, and is a part of the message.
	Header string
}

// Result is the outcome of a delivery for one recipient.
type Result struct {
	// Message is the stored message as a listing shows it, set only if Err is
	// nil.
	Message

	// Err says why this recipient did not get the message. [ErrNoSuchUser],
	// [ErrOverQuota], [ErrTooLarge] and [ErrPermanent] are final. After
	// [ErrTemporary] and any other error the sender should try again later.
	Err error
}
