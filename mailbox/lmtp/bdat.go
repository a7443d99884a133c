package lmtp

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
)

// bdat answers BDAT (RFC 3030 section 2), the first one of a message. Those that
// follow are read by chunks.
func (c *Conn) bdat(ctx context.Context, arguments string) error {
	size, last, err := parseBDAT(arguments)
	switch {
	case err != nil:
		return err
	case c.state() == addressed:
		c.mail.chunked = true
		return c.receive(ctx, &chunks{c: c, ctx: ctx, size: size, left: size, last: last})
	}
	// The chunk is not a command, whether there is a message for it or not.
	if err := c.discard(size); err != nil {
		return c.broken(err)
	}
	return mistake{refusal(503, "5.5.1", "No valid recipients: RCPT comes first")}
}

// parseBDAT reads the arguments of BDAT. If they are wrong, nobody knows where
// the next command begins.
func parseBDAT(arguments string) (size int64, last bool, err error) {
	text, rest, _ := strings.Cut(strings.TrimSpace(arguments), " ")
	n, err := strconv.ParseUint(text, 10, 63)
	last = strings.EqualFold(strings.TrimSpace(rest), "LAST")
	if err != nil || rest != "" && !last {
		return 0, false, &Error{Code: 501, Enhanced: "5.5.4", Text: "BDAT needs the octets of its chunk, and maybe LAST", Close: true}
	}
	return int64(n), last, nil
}

// discard reads octets that are of no use.
func (c *Conn) discard(octets int64) error {
	for octets > 0 {
		here, err := c.peek(1)
		if err != nil {
			return err
		}
		n := min(int64(len(here)), octets)
		c.skip(int(n))
		octets -= n
	}
	return nil
}

// chunks reads a message that comes by BDAT. Between two chunks it answers the
// commands that the client sends.
type chunks struct {
	c    *Conn
	ctx  context.Context
	size int64 // of the chunk
	left int64 // of it
	last bool
	err  error
}

// errBrokenOff is the error of a message that a command has ended before its last
// chunk.
var errBrokenOff = errors.New("lmtp: the sender has broken the message off")

func (b *chunks) Read(p []byte) (int, error) {
	for b.err == nil && b.left == 0 {
		if b.last {
			b.err = io.EOF
		} else {
			b.err = b.nextChunk()
		}
	}
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	here, err := b.c.peek(1)
	if err != nil {
		b.err = err
		return 0, err
	}
	n := copy(p[:min(int64(len(p)), b.left)], here)
	b.c.skip(n)
	b.left -= int64(n)
	return n, nil
}

// nextChunk answers a chunk and waits for the BDAT of the next.
func (b *chunks) nextChunk() error {
	b.c.say(250, "2.0.0", strconv.FormatInt(b.size, 10)+" octets received")
	for {
		line, err := b.c.readLine()
		if err == io.EOF {
			return io.ErrUnexpectedEOF // not the end of the message
		}
		if err != nil {
			return err
		}
		cmd, arguments := b.c.lookup(line)
		switch {
		case cmd.verb == "BDAT":
			b.size, b.last, err = parseBDAT(arguments)
			if err != nil {
				b.c.next = line // it is answered as any other
				return errBrokenOff
			}
			b.left = b.size
			return nil
		case cmd.habits&breaks != 0:
			b.c.next = line
			return errBrokenOff
		}
		if end := b.c.execute(b.ctx, line); end != nil {
			return end
		}
	}
}
