package pop3

import (
	"context"
	"errors"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// quit answers QUIT. After a login it enters the UPDATE state (RFC 1939 section
// 6): it removes the marked messages, and only then answers +OK.
func (c *Conn) quit(ctx context.Context, _ arguments) error {
	if err := c.update(ctx); err != nil {
		return err
	}
	if err := c.closeMailbox(); err != nil {
		c.fault(fmt.Errorf("pop3: close mailbox: %w", err))
	}
	c.out.strings("+OK bye\r\n")
	return c.flushAndEnd(&ended{reason: reasonQuit})
}

// update removes the marked messages. It runs to its end even if the client or
// the server go away meanwhile: no client asks for half of a removal.
func (c *Conn) update(ctx context.Context) error {
	if c.maildrop == nil || c.maildrop.marks == 0 {
		return nil
	}
	if err := c.out.flush(); err != nil {
		return &ended{"client gone", err}
	}
	deadline := c.startDeadline(context.WithoutCancel(ctx))
	defer deadline.stop()
	err := deadline.explain(c.mailbox.Delete(deadline.ctx, c.maildrop.markedIDs()))
	if err == nil {
		c.info.Deleted = c.maildrop.marks
		return nil
	}
	reply := Error{Code: CodeTemporary, Text: "deleted messages may not have been removed", Err: err}
	var partly *mailbox.DeleteError
	var worded *Error
	switch {
	case errors.As(err, &worded):
		reply = Error{Code: worded.Code, Text: worded.Text, Err: err}
	case errors.As(err, &partly):
		c.info.Deleted = c.maildrop.marks - len(partly.Failed)
		reply.Text = "some deleted messages not removed"
	case errors.Is(err, mailbox.ErrPermanent):
		reply.Code = CodePermanent
	}
	reply.Close = true
	return &reply
}
