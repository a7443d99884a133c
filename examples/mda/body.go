package main

import (
	"bytes"
	"io"
	"time"

	"github.com/emersion/go-smtp"
)

// maxHops is how many Received fields a message may have when it gets here (RFC
// 5321 section 6.3).
const maxHops = 100

// body reads a message as it is received: it gives a sender that is slow but
// alive time for every stretch, and ends in an error where the message is in a
// loop, or where the sender hung up before its end.
type body struct {
	source io.Reader
	conn   *smtp.Conn
	hops   hopCounter
	err    error
}

// newBody reads what go-smtp gives to Data: a pipe where the message comes by
// BDAT, else its reader of DATA.
func newBody(r io.Reader, conn *smtp.Conn) *body {
	if pipe, ok := r.(*io.PipeReader); ok {
		return &body{source: &chunks{pipe: pipe, conn: conn}, conn: conn}
	}
	return &body{source: &dotted{source: r, conn: conn}, conn: conn}
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	b.conn.Conn().SetReadDeadline(time.Now().Add(patience))
	n, err := b.source.Read(p)
	if b.hops.count(p[:n]) > maxHops {
		b.err = errTooManyHops
		return 0, b.err
	}
	b.err = err
	return n, err
}

// drain reads what is left, whatever Read said: go-smtp answers only then.
func (b *body) drain() {
	if b.err == nil || b.err == errTooManyHops {
		io.Copy(io.Discard, b.source)
	}
}

// hopCounter counts Received fields in a header that passes in stretches.
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
