package pop3client

import (
	"cmp"
	"crypto/tls"
	"math"
	"time"
)

// Options are the settings of a client. The zero value is ready to use. A limit
// of 0 is its default. What is beyond a limit is an error that [ErrTooLarge]
// finds, and ends the connection.
type Options struct {
	// TLS is for [DialTLS] and [Client.StartTLS]. Nil is the zero config. A
	// ServerName that is empty is the host of the address; with [New], which
	// knows no address, it must be set. NextProtos that are empty are "pop3".
	// TLS before 1.2 is never used.
	TLS *tls.Config

	// AllowInsecureAuth sends passwords over connections without TLS: to
	// loopback, and within a network that is trusted.
	AllowInsecureAuth bool

	// Timeout is how long the server may take for one line of an answer, for
	// the next octets of a message, and to read one write; and how long a
	// connection or a TLS handshake may take. How long a whole answer may take
	// is up to the context. The default is two minutes, since QUIT may have many
	// messages to remove. A negative value is no limit, so that only the context
	// ends a wait.
	Timeout time.Duration

	// MaxLine is the longest line of an answer in octets, its CRLF included.
	// The lines of a message may be of any length. The default is 16 KiB, which
	// a SASL challenge may need (RFC 5034 section 4); a status line has 512 at
	// most (RFC 2449 section 4), and no value is less than that. The client
	// reads into a buffer of this size, for as long as it lives.
	MaxLine int

	// MaxListing is the size in octets of an answer that the client keeps in
	// memory: to CAPA, LIST, UIDL and [Client.Multi]. The default is 64 MiB,
	// which is UIDL of a million messages. The list that the client makes of it
	// can be some times as large. A negative value is no limit.
	MaxListing int64

	// MaxMessage is the size in octets of a message that [Client.Retr],
	// [Client.Top], [Client.RetrieveAll] and [Client.ReadBody] read. They take
	// the same memory for any size. The default is 1 GiB. A negative value is
	// no limit.
	MaxMessage int64
}

// withDefaults fills in the defaults. Without a limit the value is the largest
// there is, except that of Timeout.
func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, 2*time.Minute)
	o.MaxLine = max(cmp.Or(o.MaxLine, 16<<10), 512)
	o.MaxListing = orNone(cmp.Or(o.MaxListing, 64<<20))
	o.MaxMessage = orNone(cmp.Or(o.MaxMessage, 1<<30))
	return o
}

func orNone(limit int64) int64 {
	if limit < 0 {
		return math.MaxInt64
	}
	return limit
}

// deadline is when a wait that begins now must end; zero means never.
func (o Options) deadline() time.Time {
	if o.Timeout < 0 {
		return time.Time{}
	}
	return time.Now().Add(o.Timeout)
}
