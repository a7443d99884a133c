package lmtp

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Hooks are functions that a server calls when something happens: for metrics,
// traces and audits. Each may be nil. They run on the goroutine of the session
// and should not block. Their context has the values of Server.ConnContext.
type Hooks struct {
	// Reject: a connection was turned away, by a limit, by Server.Admit, or
	// because the server shuts down. The error says why. No other hook hears of
	// it. The connection is over, and only its addresses are of use.
	Reject func(context.Context, net.Conn, error)

	// Connect: a connection was admitted. TLS has not begun.
	Connect func(context.Context, *Conn)

	// TLS: a handshake succeeded. Of one that failed Close tells, with
	// ReasonHandshake.
	TLS func(context.Context, *Conn, tls.ConnectionState)

	// Recipient: the Directory has found the user of an address, or not.
	Recipient func(context.Context, *Conn, RecipientInfo)

	// Message: a message was received to its end, and is about to be answered.
	Message func(context.Context, *Conn, MessageInfo)

	// Fault: a host's code panicked.
	Fault func(context.Context, *Conn, error)

	// Close: the connection is over. It is the last call for a Conn that Connect
	// got.
	Close func(context.Context, *Conn, SessionInfo)
}

// RecipientInfo is one recipient of a message.
type RecipientInfo struct {
	From    string // the sender, "" if it is a bounce
	Address string // as the sender wrote it, without quotes
	User    string // of the Directory

	// Message is the stored message, set only in MessageInfo, and only if Err is
	// nil.
	Message mailbox.Message

	// Err is why the recipient does not get the message.
	Err error
}

// MessageInfo says how a message was received.
type MessageInfo struct {
	ID         string          // in the Received field, in the log and in the answer
	Recipients []RecipientInfo // in the order of RCPT; those that RCPT refused are not there
	Size       int64           // octets as they were sent, without byte-stuffing
	Duration   time.Duration   // from DATA or the first BDAT to the answer
}

// SessionInfo says how a session went.
type SessionInfo struct {
	Reason   Reason        // why it ended
	Err      error         // that ended it; nil after QUIT
	Duration time.Duration // from the connection to its end

	Messages   int // received to their end
	Recipients int // that got one of them
	Refused    int // recipients that did not, those that RCPT refused included

	In, Out int64 // octets read and written, before TLS
}

// tellRecipient tells of a recipient that RCPT named.
func (c *Conn) tellRecipient(ctx context.Context, to address, user string, err error) {
	if err != nil {
		c.info.Refused++
		c.logRefused(ctx, to, err)
	}
	if c.server.hooks.Recipient != nil {
		c.server.hooks.Recipient(ctx, c, RecipientInfo{From: c.mail.from.String(), Address: to.String(), User: user, Err: err})
	}
}

// tellMessage tells of a message that was received to its end.
func (c *Conn) tellMessage(ctx context.Context, m *message, results []delivered) {
	c.info.Messages++
	for _, result := range results {
		c.logDelivery(ctx, m, result)
		if result.Err != nil {
			c.info.Refused++
		} else {
			c.info.Recipients++
		}
	}
	if c.server.hooks.Message == nil {
		return
	}
	info := MessageInfo{ID: m.id, Size: m.body.size, Duration: time.Since(m.received)}
	for _, result := range results {
		info.Recipients = append(info.Recipients, RecipientInfo{
			From: c.mail.from.String(), Address: result.address.String(), User: result.user,
			Message: result.Message, Err: result.Err,
		})
	}
	c.server.hooks.Message(ctx, c, info)
}
