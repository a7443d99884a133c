package pop3client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// All reads of the connection are in fill, and all writes in write.

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// bound sets the deadline of a wait, and lets the end of ctx end it too, until
// release is called.
func (c *Client) bound(ctx context.Context, deadline time.Time) (release func()) {
	conn := c.conn
	conn.SetDeadline(deadline)
	if ctx.Done() == nil {
		return func() {}
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(longAgo)
		close(interrupted)
	})
	return func() {
		if !stop() {
			<-interrupted // so that it does not meet a later wait
		}
	}
}

// fill waits for more octets of the server. The buffer must not be full.
func (c *Client) fill(ctx context.Context, deadline time.Time) error {
	release := c.bound(ctx, deadline)
	_, err := c.in.Peek(c.in.Buffered() + 1)
	release()
	return c.explain(ctx, "no answer", err)
}

// write sends octets.
func (c *Client) write(ctx context.Context, octets string) error {
	release := c.bound(ctx, c.options.deadline())
	_, err := io.WriteString(c.conn, octets)
	release()
	if err = c.explain(ctx, "the server does not read", err); err != nil {
		return c.fail(err)
	}
	return nil
}

func (c *Client) explain(ctx context.Context, late string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s within %v: %w", late, c.options.Timeout, err)
	case err == io.EOF:
		return fmt.Errorf("the server has closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// line reads a line and returns it without its CRLF. The octets are valid until
// the next read.
func (c *Client) line(ctx context.Context) ([]byte, error) {
	line, err := c.rawLine(ctx)
	if err != nil {
		return nil, c.fail(err)
	}
	text, ended := bytes.CutSuffix(line, []byte("\r\n"))
	if !ended {
		return nil, c.fail(protocolError("a line that does not end in CRLF", line))
	}
	c.in.Discard(len(line))
	return text, nil
}

// rawLine waits for a line, and leaves it in the buffer.
func (c *Client) rawLine(ctx context.Context) ([]byte, error) {
	deadline := c.options.deadline()
	for searched := 0; ; {
		buffered, _ := c.in.Peek(c.in.Buffered())
		if feed := bytes.IndexByte(buffered[searched:], '\n'); feed >= 0 {
			return buffered[:searched+feed+1], nil
		}
		if len(buffered) >= c.options.MaxLine {
			return nil, fmt.Errorf("%w: a line is longer than MaxLine, %d octets", ErrTooLarge, c.options.MaxLine)
		}
		searched = len(buffered)
		err := c.fill(ctx, deadline)
		if errors.Is(err, io.ErrUnexpectedEOF) && searched > 0 {
			part, _ := c.in.Peek(searched)
			return nil, cutOff(part)
		}
		if err != nil {
			return nil, err
		}
	}
}
