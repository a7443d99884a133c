package pop3client

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
)

// Retrieved is a message that [Client.RetrieveAll] has begun to read.
type Retrieved struct {
	Number int

	// Body is as of [Client.ReadBody]. It is nil if there is an error. What the
	// loop leaves of it is dropped, as by Close.
	Body io.Reader
}

// RetrieveAll retrieves messages one after the other, in the order of the
// numbers. If the server has PIPELINING (RFC 2449 section 6.6), up to
// [MaxAhead] commands are sent ahead of the answers, so that a slow network
// makes small messages no slower; the server is asked by CAPA, unless that is
// known.
//
// An [*Error] is about one message, of that number, and the others follow. Any
// other error is the last. Until the loop ends, other commands are [ErrBusy]. A
// loop that is left early costs what is on its way: 256 KiB of each message, or
// the connection.
func (c *Client) RetrieveAll(ctx context.Context, numbers []int) iter.Seq2[Retrieved, error] {
	return func(yield func(Retrieved, error) bool) {
		ahead, err := c.mayAhead(ctx)
		if err != nil {
			yield(Retrieved{}, err)
			return
		}
		c.looping = true
		defer func() { c.looping = false }()
		for batch := range slices.Chunk(numbers, ahead) {
			if !c.retrieve(ctx, batch, yield) {
				return
			}
		}
	}
}

// mayAhead returns how many commands may be sent ahead.
func (c *Client) mayAhead(ctx context.Context) (int, error) {
	if err := c.idle(ctx); err != nil {
		return 0, wrap("RETR", err)
	}
	if c.capabilities == nil {
		_, err := c.Capabilities(ctx)
		var refused *Error
		switch {
		case errors.As(err, &refused):
			return 1, nil
		case err != nil:
			return 0, err
		}
	}
	if c.capabilities.Has("PIPELINING") {
		return MaxAhead, nil
	}
	return 1, nil
}

// retrieve retrieves a batch, and reports whether the loop goes on. All
// commands go out before the first answer is read, and none after it until all
// answers are read, so that the server is never blocked in an answer while the
// client is in a write.
func (c *Client) retrieve(ctx context.Context, batch []int, yield func(Retrieved, error) bool) bool {
	lines := make([]string, len(batch))
	for i, number := range batch {
		lines[i] = "RETR " + strconv.Itoa(number)
	}
	if err := c.send(ctx, lines...); err != nil {
		yield(Retrieved{}, wrap("RETR", err))
		return false
	}
	goOn := true
	for _, number := range batch {
		message, err := c.nextMessage(ctx, number)
		if goOn {
			goOn = yield(message, err)
		}
		if open := c.body; open != nil && err == nil {
			if err = open.Close(); err != nil && goOn {
				yield(Retrieved{Number: number}, err)
			}
		}
		if err != nil && c.broken != nil {
			return false
		}
	}
	return goOn
}

func (c *Client) nextMessage(ctx context.Context, number int) (Retrieved, error) {
	if _, err := c.status(ctx); err != nil {
		return Retrieved{Number: number}, wrap("RETR", err)
	}
	return Retrieved{number, c.openBody(ctx, "MaxMessage", c.options.MaxMessage)}, nil
}
