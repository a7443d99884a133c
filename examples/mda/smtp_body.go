package main

import (
	"bytes"
	"io"
	"net"
	"time"

	"github.com/emersion/go-smtp"
)

// maxHops is how many Received fields a message may have when it gets here (RFC
// 5321 section 6.3).
const maxHops = 100

// body reads a message as it is received. It gives a slow sender time for each
// read, and ends in an error if the message is in a loop or too large, or if
// the sender hung up before its end.
type body struct {
	source   io.Reader
	conn     net.Conn
	patience time.Duration
	maxSize  int64 // octets; 0 means no limit
	size     int64
	hops     hopCounter
	err      error // what Read returns from now on
}

// newBody makes a body of what go-smtp gives to Data: a pipe if the message
// comes by BDAT, else its reader of DATA.
func newBody(r io.Reader, conn net.Conn, a *agent) *body {
	b := &body{conn: conn, patience: a.patience, maxSize: a.maxSize}
	if pipe, ok := r.(*io.PipeReader); ok {
		b.source = &chunks{pipe: pipe, conn: conn}
	} else {
		b.source = &dotted{source: r, conn: conn}
	}
	return b
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	b.conn.SetReadDeadline(time.Now().Add(b.patience))
	n, err := b.source.Read(p)
	b.size += int64(n)
	switch {
	case b.hops.count(p[:n]) > maxHops:
		b.err = errTooManyHops
	case b.maxSize > 0 && b.size > b.maxSize:
		b.err = smtp.ErrDataTooLarge
	default:
		b.err = err
		return n, err
	}
	return 0, b.err
}

// drain reads the rest of a message of which not all was read, as go-smtp
// expects.
func (b *body) drain() {
	for b.err == nil || b.err == errTooManyHops || b.err == smtp.ErrDataTooLarge {
		b.conn.SetReadDeadline(time.Now().Add(b.patience))
		if _, err := io.CopyN(io.Discard, b.source, 64<<10); err != nil {
			return
		}
	}
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
