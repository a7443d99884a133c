package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/popcask/popcask/mailbox"
)

// retr answers RETR (RFC 1939 section 5).
func (c *Conn) retr(ctx context.Context, a arguments) error {
	err := c.send(ctx, a.n, mailbox.OpenOptions{})
	if err == nil {
		c.info.Retrs++
	}
	return err
}

// top answers TOP (RFC 1939 section 7).
func (c *Conn) top(ctx context.Context, a arguments) error {
	err := c.send(ctx, a.n, mailbox.OpenOptions{For: mailbox.Top, Lines: a.lines})
	if err == nil {
		c.info.Tops++
	}
	return err
}

// send sends a message or its top. +OK is sent with the first octets of the
// body: a failure before that is a clean -ERR. A failure after that ends the
// connection before the final dot, so that no client takes half a message for a
// whole one.
func (c *Conn) send(ctx context.Context, n int, options mailbox.OpenOptions) error {
	i, err := c.maildrop.at(n)
	if err != nil {
		return err
	}
	if err := c.out.flush(); err != nil {
		return &ended{"client gone", err}
	}
	options.Next = c.maildrop.idsAfter(i)
	deadline := c.startDeadline(ctx)
	defer deadline.stop()
	body, err := c.mailbox.Open(deadline.ctx, c.maildrop.id(i), options)
	if err != nil {
		return c.notOpened(n, deadline.explain(err))
	}
	defer body.Close()

	answer := &answer{c: c, deadline: deadline, size: c.maildrop.sizes[i], stuffed: stuffer{w: &c.out}}
	if b, ok := body.(mailbox.CanonicalBody); ok {
		answer.stuffed.canonical = b.IsCanonical()
	}
	var source io.Reader = body
	if options.For == mailbox.Top {
		answer.size = unknown
		source = mailbox.NewTopReader(body, options.Lines)
	}
	err = deadline.explain(answer.copy(source))
	switch {
	case answer.err != nil:
		return &ended{"client gone", answer.err}
	case err != nil && !answer.begun:
		return c.notOpened(n, err)
	case err != nil:
		err = fmt.Errorf("pop3: message %q ended early: %w", c.maildrop.id(i), err)
		c.out.discard()
		c.fault(err)
		return &ended{"message ended early", err}
	}
	answer.close()
	if size := answer.size; size >= 0 && size != answer.stuffed.octets {
		c.fault(fmt.Errorf("pop3: message %q has %d octets, its store says %d", c.maildrop.id(i), answer.stuffed.octets, size))
	}
	return nil
}

// notOpened returns the error that answers a failure to open message n. To ask
// for the same lost message again is a mistake of the client, and counted.
func (c *Conn) notOpened(n int, err error) error {
	if errors.Is(err, mailbox.ErrNotFound) {
		if c.missing == n {
			return mistake("no such message")
		}
		c.missing = n
	}
	return fmt.Errorf("open message: %w", err)
}

// answer is the multi-line response that carries a message. It begins with the
// first octets of the body.
type answer struct {
	c        *Conn
	deadline *deadline // its clock stands still while the client reads
	size     int64     // as listed
	begun    bool
	stuffed  stuffer
	err      error // of a write to the client
}

// unknown is the size of a message that the store does not know.
const unknown = -1

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (a *answer) copy(source io.Reader) error {
	if direct, ok := source.(io.WriterTo); ok {
		_, err := direct.WriteTo(a)
		return err
	}
	buffer := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buffer)
	_, err := io.CopyBuffer(a, source, buffer[:])
	return err
}

// Write implements [io.Writer].
func (a *answer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	a.deadline.pause()
	a.begin()
	n, err := a.stuffed.Write(p)
	a.err = err
	a.deadline.resume()
	return n, err
}

func (a *answer) begin() {
	if a.begun {
		return
	}
	a.begun = true
	if a.size < 0 {
		a.c.out.strings("+OK message follows\r\n")
		return
	}
	a.c.out.strings("+OK ")
	a.c.out.numbers(a.size)
	a.c.out.strings(" octets\r\n")
}

// close ends the response. Its errors come with the next flush.
func (a *answer) close() {
	a.begin()
	a.stuffed.close()
}
