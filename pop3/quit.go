package pop3

import (
	"context"
	"errors"

	"github.com/popcask/popcask/mailbox"
)

// quit answers QUIT. After a login it enters the UPDATE state (RFC 1939 section
// 6): it removes the marked messages, and only then answers +OK.
func (c *Conn) quit(ctx context.Context, _ arguments) error {
	if err := c.update(ctx); err != nil {
		return err
	}
	c.ask(ctx, func(context.Context) error { // which may be slow, while answers are due
		c.closeMailbox(ctx)
		return nil
	})
	c.out.strings("+OK bye\r\n")
	return c.flushAndEnd(ctx, &ended{reason: ReasonQuit})
}

// update removes the marked messages, once the client has everything that it
// asked for before. It runs to its end even if the client or the server go away
// meanwhile: no client asks for half of a removal.
func (c *Conn) update(ctx context.Context) error {
	if c.maildrop == nil {
		return nil
	}
	if c.maildrop.marks == 0 && len(c.receipts) == 0 && c.maildrop.retrieved == nil {
		return nil
	}
	if err := c.flush(ctx); err != nil {
		return c.gone(err)
	}
	c.maildrop.markRetrieved()
	if c.maildrop.marks == 0 {
		return nil
	}
	err := c.ask(context.WithoutCancel(ctx), func(ctx context.Context) error {
		return c.mailbox.Delete(ctx, c.maildrop.markedIDs())
	})
	if err == nil {
		c.info.Deleted = c.maildrop.marks
		return nil
	}
	answer := *reply(err, atQuit)
	var partly *mailbox.DeleteError
	if errors.As(err, &partly) {
		c.info.Deleted = c.maildrop.marks - len(partly.Failed)
	}
	var worded *Error
	if partly != nil && !errors.As(err, &worded) {
		answer.Text = "some deleted messages not removed"
	}
	answer.Close, answer.Err = true, err
	return &answer
}
