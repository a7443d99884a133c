package lmtp

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// body is a message as the store reads it. It ends in an error if the message is
// in a loop or too large, or if it does not come to its end.
type body struct {
	source io.Reader // dotted or chunks
	conn   *Conn
	size   int64
	hops   hopCounter
	err    error // what Read returns from now on
	end    error // of the source

	clock *time.Timer // runs while the store is at work; nil if it has no limit
	limit time.Duration
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.clock != nil {
		b.clock.Stop()
		defer b.clock.Reset(b.limit)
	}
	n, err := b.source.Read(p)
	b.size += int64(n)
	b.end = err
	limits := &b.conn.server.limit
	switch {
	case limits.size >= 0 && b.size > limits.size:
		b.err = mailbox.ErrTooLarge
	case limits.hops >= 0 && b.hops.count(p[:n]) > limits.hops:
		b.err = errTooManyHops
	default:
		b.err = err
		return n, err
	}
	return 0, b.err
}

// drain reads the rest of a message of which not all was read, so that the next
// command is found, and returns how many octets that were.
func (b *body) drain() (octets int64) {
	if b.end == nil {
		octets, b.end = io.Copy(io.Discard, b.source)
		b.size += octets
		if b.end == nil {
			b.end = io.EOF
		}
	}
	return octets
}

// failure is why the message did not come to its end, or nil if it did.
func (b *body) failure() error {
	if errors.Is(b.end, io.EOF) {
		return nil
	}
	return b.end
}

// hopCounter counts the Received fields of a header that comes in pieces.
type hopCounter struct {
	hops   int
	line   []byte // the beginning of the current line
	inBody bool
}

var receivedField = []byte("received:")

func (h *hopCounter) count(p []byte) int {
	for len(p) > 0 && !h.inBody {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if missing := len(receivedField) - len(h.line); missing > 0 {
			h.line = append(h.line, line[:min(missing, len(line))]...)
		}
		if ended {
			h.endOfLine()
		}
		p = rest
	}
	return h.hops
}

func (h *hopCounter) endOfLine() {
	switch {
	case bytes.EqualFold(h.line, receivedField):
		h.hops++
	case len(bytes.TrimSuffix(h.line, []byte("\r"))) == 0:
		h.inBody = true
	}
	h.line = h.line[:0]
}
