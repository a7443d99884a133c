package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// popSession is a session over POP3: the promises hold for those who see no
// more than the protocol.
func (w *worker) popSession(ctx context.Context) {
	user := w.user()
	number, op := w.call(Op{Kind: List, User: user, POP3: true})
	client, messages, err := w.login(ctx, user)
	if err == nil {
		op.Listed = messages
	}
	w.back(number, op, err)
	if err != nil {
		return
	}
	defer client.conn.Close()
	numbers := make(map[string]int) // of the session
	for i, m := range messages {
		numbers[m.ID] = i + 1
	}
	for _, m := range w.some(messages) {
		number, op := w.call(Op{Kind: Retrieve, User: user, Message: m, POP3: true})
		octets, err := client.retrieve(numbers[m.ID])
		if err == nil {
			op.Body, op.Torn = read(octets, m.Size)
		}
		w.back(number, op, err)
		if client.broken {
			return
		}
	}
	half := w.half(messages)
	for _, m := range half {
		if _, err := client.say(fmt.Sprintf("DELE %d", numbers[m.ID])); err != nil {
			return // nothing is removed without QUIT
		}
	}
	if len(half) > 0 {
		number, op = w.call(Op{Kind: Remove, User: user, Removed: half, POP3: true})
		_, err = client.say("QUIT")
		w.back(number, op, err)
	}
}

// login logs in and lists. A message without a unique-id of its own shows its
// ID, so that UIDL tells which it is.
func (w *worker) login(ctx context.Context, user string) (*client, []Message, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", w.address)
	if err != nil {
		return nil, nil, err
	}
	c := &client{conn: conn, in: bufio.NewReader(conn), patience: 2 * w.host.Deadline}
	messages, err := c.login(user)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return c, messages, nil
}

// client speaks as much POP3 as a session needs.
type client struct {
	conn     net.Conn
	in       *bufio.Reader
	patience time.Duration // for one answer
	broken   bool          // the connection is
}

func (c *client) login(user string) ([]Message, error) {
	if _, err := c.line(); err != nil {
		return nil, err
	}
	for _, command := range []string{"USER " + user, "PASS x"} {
		if _, err := c.say(command); err != nil {
			return nil, err
		}
	}
	ids, err := c.multi("UIDL")
	if err != nil {
		return nil, err
	}
	sizes, err := c.multi("LIST")
	if err != nil {
		return nil, err
	}
	uidls, lengths := strings.Split(ids, "\r\n"), strings.Split(sizes, "\r\n")
	if len(uidls) != len(lengths) {
		return nil, fmt.Errorf("UIDL lists %d messages, LIST %d", len(uidls)-1, len(lengths)-1)
	}
	var messages []Message
	for i, line := range uidls[:len(uidls)-1] {
		var m Message
		var n, again int
		if _, err := fmt.Sscanf(line, "%d %s", &n, &m.UIDL); err != nil {
			return nil, fmt.Errorf("UIDL line %q: %w", line, err)
		}
		if _, err := fmt.Sscanf(lengths[i], "%d %d", &again, &m.Size); err != nil || n != again || n != i+1 {
			return nil, fmt.Errorf("LIST line %q beside UIDL line %q", lengths[i], line)
		}
		m.ID = m.UIDL
		messages = append(messages, m)
	}
	return messages, nil
}

// retrieve is RETR. An answer that is final is [mailbox.ErrNotFound] (P2).
func (c *client) retrieve(number int) (string, error) {
	octets, err := c.multi(fmt.Sprintf("RETR %d", number))
	var refused refusal
	if errors.As(err, &refused) && !strings.Contains(string(refused), "[SYS/") {
		return "", fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	}
	return octets, err
}

// refusal is a -ERR.
type refusal string

func (r refusal) Error() string { return string(r) }

func (c *client) say(command string) (string, error) {
	c.conn.SetDeadline(time.Now().Add(c.patience))
	if _, err := io.WriteString(c.conn, command+"\r\n"); err != nil {
		c.broken = true
		return "", err
	}
	return c.line()
}

// line reads a status line.
func (c *client) line() (string, error) {
	c.conn.SetDeadline(time.Now().Add(c.patience))
	line, err := c.raw()
	if err == nil && !strings.HasPrefix(line, "+OK") {
		err = refusal(strings.TrimSuffix(line, "\r\n"))
	}
	return line, err
}

func (c *client) raw() (string, error) {
	line, err := c.in.ReadString('\n')
	c.broken = c.broken || err != nil
	return line, err
}

// multi reads a multi-line response and undoes the byte-stuffing.
func (c *client) multi(command string) (string, error) {
	if _, err := c.say(command); err != nil {
		return "", err
	}
	var body strings.Builder
	for {
		line, err := c.raw()
		if err != nil {
			return "", err
		}
		if line == ".\r\n" {
			return body.String(), nil
		}
		body.WriteString(strings.TrimPrefix(line, "."))
	}
}
