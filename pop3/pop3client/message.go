package pop3client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Retr returns a message, as [Client.ReadBody] does. It takes the same memory
// for a message of any size.
func (c *Client) Retr(ctx context.Context, number int) (io.ReadCloser, error) {
	return c.message(ctx, "RETR", number)
}

// Top returns the header of a message and the first lines of its body, as
// [Client.ReadBody] does.
func (c *Client) Top(ctx context.Context, number, lines int) (io.ReadCloser, error) {
	return c.message(ctx, "TOP", number, lines)
}

func (c *Client) message(ctx context.Context, verb string, numbers ...int) (io.ReadCloser, error) {
	if _, err := c.askFor(ctx, verb, numbers...); err != nil {
		return nil, wrap(verb, err)
	}
	return c.openBody(ctx, "MaxMessage", c.options.MaxMessage), nil
}

// Dele marks a message, which [Client.Quit] removes.
func (c *Client) Dele(ctx context.Context, number int) error {
	_, err := c.askFor(ctx, "DELE", number)
	return wrap("DELE", err)
}

// Rset takes all marks back.
func (c *Client) Rset(ctx context.Context) error {
	_, err := c.askFor(ctx, "RSET")
	return wrap("RSET", err)
}

// Noop does nothing, except that the server knows that the client is there.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.askFor(ctx, "NOOP")
	return wrap("NOOP", err)
}

// Quit ends the session, waits for the answer, and closes the connection. The
// marked messages are removed if the error is nil. If it is an [*Error], some
// may be removed and some not; if it is another, nobody knows.
func (c *Client) Quit(ctx context.Context) error {
	_, err := c.askFor(ctx, "QUIT")
	if !errors.Is(err, ErrBusy) {
		c.Close()
	}
	return wrap("QUIT", err)
}

// askFor sends a command with numbers.
func (c *Client) askFor(ctx context.Context, verb string, numbers ...int) (text string, err error) {
	line := verb
	for i, n := range numbers {
		if n < 0 || n == 0 && i == 0 {
			return "", fmt.Errorf("%d is not a number of a message or of lines", n)
		}
		line += " " + strconv.Itoa(n)
	}
	return c.ask(ctx, line)
}
