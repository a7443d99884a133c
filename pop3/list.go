package pop3

import (
	"context"
	"errors"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// stat answers STAT (RFC 1939 section 5): how many messages are not marked, and
// their octets.
func (c *Conn) stat(ctx context.Context, _ arguments) error {
	if err := c.measureAll(ctx); err != nil {
		return err
	}
	c.out.strings("+OK ")
	c.out.numbers(int64(c.maildrop.unmarked()), c.maildrop.octets)
	c.out.strings("\r\n")
	return nil
}

// list answers LIST (RFC 1939 section 5), for one message or all.
func (c *Conn) list(ctx context.Context, a arguments) error {
	if a.n > 0 {
		i, err := c.maildrop.at(a.n)
		if err != nil {
			return err
		}
		if err := c.measure(ctx, i); err != nil {
			return err
		}
		c.out.strings("+OK ")
		c.out.numbers(int64(a.n), c.maildrop.sizes[i])
		c.out.strings("\r\n")
		return nil
	}
	if err := c.measureAll(ctx); err != nil {
		return err
	}
	c.out.strings("+OK ")
	c.out.numbers(int64(c.maildrop.unmarked()), c.maildrop.octets)
	c.out.strings("\r\n")
	for i := range c.maildrop.all() {
		c.out.numbers(int64(i+1), c.maildrop.sizes[i])
		c.out.strings("\r\n")
	}
	c.out.strings(".\r\n")
	return nil
}

// measureAll makes sure that the size of every unmarked message is known.
func (c *Conn) measureAll(ctx context.Context) error {
	if c.maildrop.unmeasured == 0 {
		return nil
	}
	for i := range c.maildrop.all() {
		if err := c.measure(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// measure counts the octets of a message if the store does not know its size. A
// message that another session has removed meanwhile has none.
func (c *Conn) measure(ctx context.Context, i int) error {
	if c.maildrop.sizes[i] >= 0 {
		return nil
	}
	work := c.startWork(ctx)
	defer c.stopWork()
	octets, err := c.size(work, i)
	if errors.Is(err, mailbox.ErrNotFound) {
		octets, err = 0, nil
	}
	if err != nil {
		return reply(fmt.Errorf("count message: %w", work.explain(err)), atSize)
	}
	c.maildrop.setSize(i, octets)
	return nil
}

// size asks the store, if it is a [mailbox.Sizer], and counts otherwise.
func (c *Conn) size(work *work, i int) (int64, error) {
	if sizer, ok := c.mailbox.(mailbox.Sizer); ok {
		octets, err := sizer.Size(work.ctx, c.maildrop.id(i))
		if err != nil || octets >= 0 {
			return octets, err
		}
	}
	return c.count(work, i)
}

func (c *Conn) count(work *work, i int) (int64, error) {
	body, err := c.mailbox.Open(work.ctx, c.maildrop.id(i), mailbox.OpenOptions{For: mailbox.Measure})
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return mailbox.Octets(&workReader{body, work})
}
