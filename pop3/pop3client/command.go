package pop3client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Command sends a line, which is any command whose answer is one line, and
// returns what follows +OK. An -ERR is an [*Error].
func (c *Client) Command(ctx context.Context, line string) (text string, err error) {
	text, err = c.ask(ctx, line)
	return text, wrap("command", err) // the line may be a secret
}

// Multi is [Client.Command] for a multi-line response (RFC 1939 section 3). It
// returns the body too, un-stuffed, without the final dot, up to
// Options.MaxListing.
func (c *Client) Multi(ctx context.Context, line string) (text string, body []byte, err error) {
	text, err = c.ask(ctx, line)
	if err != nil {
		return "", nil, wrap("command", err)
	}
	body, err = io.ReadAll(c.openBody(ctx, "MaxListing", c.options.MaxListing))
	if err != nil {
		return "", nil, err
	}
	return text, body, nil
}

// MaxAhead is how many commands may be sent ahead of their answers. More could
// fill the buffers of the network, and client and server would wait for each
// other for ever.
const MaxAhead = 16

// Send sends commands without waiting for the answers, of which each is to be
// read in turn, by [Client.ReadStatus] and, if it has more lines,
// [Client.ReadBody]. More than one may only be sent ahead to a server with the
// capability PIPELINING (RFC 2449 section 6.6), no more than [MaxAhead], and
// each of 255 octets at most (section 4).
func (c *Client) Send(ctx context.Context, lines ...string) error {
	if ctx.Err() != nil {
		return wrap("send", ctx.Err())
	}
	return wrap("send", c.send(ctx, lines...))
}

func (c *Client) send(ctx context.Context, lines ...string) error {
	if err := c.usable(); err != nil {
		return err
	}
	ahead := c.ahead + len(lines)
	if len(lines) == 0 {
		return nil
	}
	if ahead > MaxAhead {
		return fmt.Errorf("%w: more than %d commands are ahead", ErrBusy, MaxAhead)
	}
	text := ""
	for _, line := range lines {
		if err := checkText("command", line); err != nil {
			return err
		}
		if line += "\r\n"; ahead > 1 && len(line) > maxCommand {
			return fmt.Errorf("a command that is sent ahead has %d octets at most", maxCommand)
		}
		text += line
	}
	c.ahead = ahead
	return c.write(ctx, text)
}

// checkText refuses what would end the line early.
func checkText(what, text string) error {
	if strings.ContainsAny(text, "\r\n\x00") {
		return errors.New("CR, LF or NUL in a " + what) // which may be a secret
	}
	return nil
}

// ReadStatus reads the status line of the next answer and returns what follows
// +OK. An -ERR is an [*Error].
func (c *Client) ReadStatus(ctx context.Context) (text string, err error) {
	text, err = c.status(ctx)
	return text, wrap("answer", err)
}

func (c *Client) status(ctx context.Context) (string, error) {
	line, err := c.answer(ctx)
	if err != nil {
		return "", err
	}
	text, err := parseStatus(line)
	var refused *Error
	if err != nil && !errors.As(err, &refused) {
		return "", c.fail(err)
	}
	return text, err
}

// ReadLine reads one line as it is, and returns it without its CRLF: for
// answers of a form of their own.
func (c *Client) ReadLine(ctx context.Context) (string, error) {
	line, err := c.answer(ctx)
	return string(line), wrap("line", err)
}

// answer reads the first line of an answer.
func (c *Client) answer(ctx context.Context) ([]byte, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	c.ahead = max(0, c.ahead-1)
	return c.line(ctx)
}

// ask sends a command and reads the status line of the answer.
func (c *Client) ask(ctx context.Context, line string) (text string, err error) {
	if err := c.idle(ctx); err != nil {
		return "", err
	}
	if err := c.send(ctx, line); err != nil {
		return "", err
	}
	return c.status(ctx)
}

// lines reads the rest of a multi-line response, line by line. An error of each
// ends the connection.
func (c *Client) lines(ctx context.Context, each func(line []byte) error) error {
	left := c.options.MaxListing
	for {
		line, err := c.line(ctx)
		if err != nil {
			return err
		}
		if len(line) > 0 && line[0] == '.' {
			if line = line[1:]; len(line) == 0 {
				return nil
			}
		}
		if left -= int64(len(line)) + 2; left < 0 {
			return c.fail(fmt.Errorf("%w: a listing is longer than MaxListing, %d octets", ErrTooLarge, c.options.MaxListing))
		}
		if err := each(line); err != nil {
			return c.fail(err)
		}
	}
}
