package pop3

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/popcask/popcask/mailbox"
)

// retr answers RETR (RFC 1939 section 5).
func (c *Conn) retr(ctx context.Context, a arguments) error {
	err := c.send(ctx, a.n, mailbox.OpenOptions{})
	if err != nil {
		return err
	}
	c.info.Retrs++
	if _, ok := c.mailbox.(mailbox.Receipter); ok {
		c.receipts = append(c.receipts, c.maildrop.id(a.n-1))
	}
	if c.server.DeleteRetrieved {
		c.maildrop.note(a.n - 1)
	}
	return nil
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
	options.Next = c.maildrop.idsAfter(i)
	work := c.startWork(ctx)
	defer c.stopWork()
	body, err := c.mailbox.Open(work.ctx, c.maildrop.id(i), options)
	if err != nil {
		return notOpened(work.explain(err))
	}
	defer body.Close()

	answer := &answer{c: c, work: work, size: c.maildrop.sizes[i], stuffed: stuffer{w: &c.out}}
	if b, ok := body.(mailbox.CanonicalBody); ok {
		answer.stuffed.canonical = b.IsCanonical()
	}
	var source io.Reader = body
	if options.For == mailbox.Top {
		answer.size = unknown
		source = mailbox.NewTopReader(body, options.Lines)
	} else if b, ok := body.(mailbox.SizedBody); ok {
		answer.size = c.correctSize(ctx, i, b.CanonicalSize())
	}
	err = work.explain(answer.copy(source))
	work.pause()
	switch {
	case answer.err != nil:
		return c.gone(answer.err)
	case err != nil && !answer.begun:
		return notOpened(err)
	case err != nil:
		return c.endedEarly(ctx, fmt.Errorf("pop3: message %q ended early: %w", c.maildrop.id(i), err))
	}
	answer.close()
	if size := answer.size; size >= 0 && size != answer.stuffed.octets {
		c.fault(ctx, fmt.Errorf("pop3: message %q has %d octets, its store says %d", c.maildrop.id(i), answer.stuffed.octets, size))
	}
	return nil
}

// endedEarly ends the connection in the middle of a multi-line response, before
// the final dot. The answers before it are sent.
func (c *Conn) endedEarly(ctx context.Context, err error) *ended {
	c.out.flush()
	c.fault(ctx, err)
	return &ended{ReasonBodyFailed, err}
}

// correctSize takes the exact size of an open message, if it is known, in place
// of the one that was listed. LIST then says as many octets as RETR sends.
func (c *Conn) correctSize(ctx context.Context, i int, octets int64) int64 {
	listed := c.maildrop.sizes[i]
	if octets < 0 || octets == listed {
		return listed
	}
	if listed >= 0 {
		c.fault(ctx, fmt.Errorf("pop3: message %q has %d octets, its store has listed %d", c.maildrop.id(i), octets, listed))
	}
	c.maildrop.setSize(i, octets)
	return octets
}

// notOpened returns the answer to a failure to open a message.
func notOpened(err error) error {
	return reply(fmt.Errorf("open message: %w", err), atMessage)
}

// flush sends the answers that are due, and then tells the store which messages
// the client has got.
func (c *Conn) flush(ctx context.Context) error {
	if err := c.out.flush(); err != nil || len(c.receipts) == 0 {
		return err
	}
	receipts := c.receipts
	c.receipts = nil
	for _, id := range receipts {
		err := c.ask(ctx, func(ctx context.Context) error {
			return c.mailbox.(mailbox.Receipter).Retrieved(ctx, id)
		})
		if err != nil {
			c.fault(ctx, fmt.Errorf("pop3: note that message %q was retrieved: %w", id, err))
		}
	}
	return nil
}

// answer is the multi-line response that carries a message. It begins with the
// first octets of the body.
type answer struct {
	c       *Conn
	work    *work // its clock stands still while the client reads
	size    int64 // as listed
	begun   bool
	stuffed stuffer
	err     error // of a write to the client
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
	a.work.pause()
	a.begin()
	n, err := a.stuffed.Write(p)
	a.err = err
	a.work.resume()
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
