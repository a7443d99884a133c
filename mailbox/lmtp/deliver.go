package lmtp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// delivered is the result of a delivery for one recipient.
type delivered struct {
	recipient
	mailbox.Result
}

// receive takes a message, delivers it, and answers.
func (c *Conn) receive(ctx context.Context, source io.Reader) (err error) {
	c.setReceiving(true)
	defer func() {
		c.mail = envelope{}
		c.setReceiving(false)
	}()
	message := &message{id: rand.Text()[:16], received: time.Now(), body: body{source: source, conn: c}}
	results := c.deliver(ctx, message)
	if message.body.drain() > 0 {
		for i := range results {
			if results[i].Err == nil { // a store may refuse a recipient without that
				results[i].Result = mailbox.Result{Err: errUnread}
			}
		}
	}
	if err := message.body.failure(); err != nil {
		return c.broken(err)
	}
	// Deferred, since the host may panic when it hears of it, and the store has the
	// message.
	defer func() {
		err = c.answerDelivery(message, results)
		c.out.Flush() // before the connection waits again, and may have to make room for another
	}()
	c.tellMessage(ctx, message, results)
	return nil
}

var errUnread = errors.New("lmtp: the store did not read the message to its end")

// message is one that is under way.
type message struct {
	id       string // in the Received field, in the log, and in the answer
	received time.Time
	body     body
}

// deliver gives a message to the store, once for each user, and returns the
// result for each recipient.
func (c *Conn) deliver(ctx context.Context, m *message) []delivered {
	delivery := mailbox.Delivery{Received: m.received}
	place := make(map[string]int, len(c.mail.to)) // index of a user in delivery.Recipients
	for _, to := range c.mail.to {
		if _, twice := place[to.user]; twice {
			continue
		}
		place[to.user] = len(delivery.Recipients)
		delivery.Recipients = append(delivery.Recipients, mailbox.Recipient{User: to.user, Header: c.trace(m, to)})
	}
	results, err := c.append(ctx, delivery, &m.body)
	switch {
	case m.body.err != nil && m.body.err != io.EOF:
		err = m.body.err // whatever the store made of it
	case err == nil && len(results) != len(delivery.Recipients):
		err = fmt.Errorf("lmtp: the store returned %d results for %d recipients", len(results), len(delivery.Recipients))
	}
	all := make([]delivered, len(c.mail.to))
	for i, to := range c.mail.to {
		all[i].recipient = to
		if all[i].Err = err; err == nil {
			all[i].Result = results[place[to.user]]
		}
	}
	return all
}

// append calls the store. Its context ends when it takes longer than
// Server.StoreTimeout for a part of the message, or for the rest of its work;
// the time that the client takes does not count.
func (c *Conn) append(ctx context.Context, delivery mailbox.Delivery, body *body) ([]mailbox.Result, error) {
	if limit := c.server.limit.store; limit >= 0 {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		clock := time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
		defer clock.Stop()
		body.clock, body.limit = clock, limit
		defer func() { body.clock = nil }()
	}
	results, err := c.server.Appender.Append(ctx, delivery, body)
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = fmt.Errorf("StoreTimeout of %s: %w: %w", c.server.limit.store, context.DeadlineExceeded, err)
	}
	return results, err
}

// answerDelivery answers a message: over LMTP for each recipient (RFC 2033
// section 4.2), over SMTP once, or with the error that it returns.
func (c *Conn) answerDelivery(m *message, results []delivered) error {
	if c.server.Protocol == SMTP {
		if err := oneReply(results); err != nil {
			return err
		}
		c.say(250, "2.0.0", "OK: delivered as "+m.id)
		return nil
	}
	var end error
	for _, result := range results {
		to := "<" + result.address.path() + "> "
		if result.Err == nil {
			c.say(250, "2.0.0", to+"OK: delivered as "+m.id)
			continue
		}
		answer := reply(result.Err)
		c.say(answer.Code, answer.Enhanced, to+answer.Text)
		if answer.Close {
			end = &ended{ReasonRefused, result.Err}
		}
	}
	return end
}

// broken ends or goes on with a session in which a message did not come to its
// end.
func (c *Conn) broken(err error) error {
	var end *ended
	switch {
	case errors.Is(err, errBrokenOff):
		return nil // the command that did it is still to be run
	case errors.As(err, &end):
		return end
	case errors.Is(err, os.ErrDeadlineExceeded):
		// What comes next would be taken for commands, and is of the message.
		c.answer(errTryAgain)
		return &ended{ReasonIdle, err}
	}
	return c.endOfInput(err)
}
