package pop3client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ReadBody returns the rest of a multi-line response, after its status line:
// un-stuffed (RFC 1939 section 3), each line with its CRLF, without the final
// dot. It must be read to its end or closed before anything else. Its end is
// [io.EOF] only if the final dot came; a message that breaks off is another
// error, often [io.ErrUnexpectedEOF].
//
// Close drops the rest. If that is more than 256 KiB, or takes longer than
// Options.Timeout, it ends the connection instead and returns an error, since a
// new one is cheaper.
//
// The context is for all reads.
func (c *Client) ReadBody(ctx context.Context) io.ReadCloser {
	if err := c.usable(); err != nil {
		return &body{c: c, err: wrap("body", err)}
	}
	return c.openBody(ctx, "MaxMessage", c.options.MaxMessage)
}

// maxDropped is how many octets of a message Close reads and drops.
const maxDropped = 256 << 10

var errAbandoned = errors.New("a message was closed long before its end")

// body is the open body of a multi-line response. It keeps a context since
// [io.Reader] has no place for one.
type body struct {
	c     *Client
	ctx   context.Context
	left  int64  // octets that may come
	limit string // its name in Options

	until time.Time // when Close gives up; zero before

	inLine bool // some octets of the line have been read
	last   byte // of them
	err    error
}

func (c *Client) openBody(ctx context.Context, limit string, octets int64) *body {
	c.body = &body{c: c, ctx: ctx, left: octets, limit: limit}
	return c.body
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	for n == 0 && b.err == nil {
		n, err = b.read(p)
		if err != nil {
			b.end(err)
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

// read reads what the buffer has, or fills it.
func (b *body) read(p []byte) (int, error) {
	buffered, _ := b.c.in.Peek(b.c.in.Buffered())
	n, used, err := b.unstuff(p, buffered)
	b.c.in.Discard(used)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("%w: longer than %s", ErrTooLarge, b.limit)
	}
	if n == 0 && err == nil {
		deadline := b.until
		if deadline.IsZero() {
			deadline = b.c.options.deadline()
		}
		err = b.c.fill(b.ctx, deadline)
	}
	return n, err
}

// end ends the body: with io.EOF after the final dot, and otherwise the
// connection with it.
func (b *body) end(err error) {
	b.c.body = nil
	b.err = err
	if err != io.EOF {
		b.err = wrap("body", b.c.fail(err))
	}
}

// unstuff copies octets of the body from in to p. It returns how many it wrote
// to p and how many of in it used, and io.EOF after the final dot. If it uses
// none, it needs more.
func (b *body) unstuff(p, in []byte) (n, used int, err error) {
	for n < len(p) && used < len(in) {
		rest := in[used:]
		if !b.inLine && rest[0] == '.' {
			switch {
			case len(rest) == 1, len(rest) == 2 && rest[1] == '\r':
				return n, used, nil
			case rest[1] == '\r' && rest[2] == '\n':
				return n, used + 3, io.EOF
			}
			rest = rest[1:]
			used++
		}
		piece := rest[:min(len(rest), len(p)-n)]
		if feed := bytes.IndexByte(piece, '\n'); feed >= 0 {
			piece = piece[:feed+1]
		}
		if !b.accept(piece) {
			return n, used, protocolError("a line that does not end in CRLF", piece)
		}
		n += copy(p[n:], piece)
		used += len(piece)
	}
	return n, used, nil
}

// accept notes a piece of a line, and reports whether its end, if it has one,
// is CRLF.
func (b *body) accept(piece []byte) bool {
	before := byte(0)
	if b.inLine {
		before = b.last
	}
	if len(piece) > 1 {
		before = piece[len(piece)-2]
	}
	b.last = piece[len(piece)-1]
	b.inLine = b.last != '\n'
	return b.inLine || before == '\r'
}

// Close implements [io.Closer].
func (b *body) Close() error {
	if b.err == nil {
		b.until = b.c.options.deadline()
		_, err := io.CopyN(io.Discard, b, maxDropped)
		if err == nil && b.err == nil {
			b.end(errAbandoned)
		}
	}
	if b.err == io.EOF {
		return nil
	}
	return b.err
}
