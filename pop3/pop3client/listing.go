package pop3client

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// Message is a message as a listing shows it.
type Message struct {
	// Number is the number in this session, from 1.
	Number int

	// Size is the size in octets; [Client.UIDL] leaves it 0.
	Size int64

	// UIDL is the unique-id, which stays the same in all sessions; [Client.List]
	// leaves it empty. Two messages with the same octets may have the same.
	UIDL string
}

// Stat returns how many messages there are, without those that are marked, and
// the sum of their sizes in octets.
func (c *Client) Stat(ctx context.Context) (messages int, octets int64, err error) {
	text, err := c.ask(ctx, "STAT")
	if err == nil {
		var m Message
		m, err = c.check(parseSize(text, -1))
		messages, octets = m.Number, m.Size
	}
	return messages, octets, wrap("STAT", err)
}

// List lists the sizes of the messages, in the order of their numbers.
func (c *Client) List(ctx context.Context) ([]Message, error) {
	return c.listing(ctx, "LIST", parseSize)
}

// UIDL lists the unique-ids of the messages, in the order of their numbers.
func (c *Client) UIDL(ctx context.Context) ([]Message, error) {
	return c.listing(ctx, "UIDL", parseUIDL)
}

// ListOne returns the size of a message in octets.
func (c *Client) ListOne(ctx context.Context, number int) (int64, error) {
	m, err := c.one(ctx, "LIST", number, parseSize)
	return m.Size, err
}

// UIDLOne returns the unique-id of a message.
func (c *Client) UIDLOne(ctx context.Context, number int) (string, error) {
	m, err := c.one(ctx, "UIDL", number, parseUIDL)
	return m.UIDL, err
}

// parser reads a line of a listing, or what follows +OK. The number must be
// greater than the one before.
type parser func(line string, before int) (Message, error)

func (c *Client) listing(ctx context.Context, verb string, parse parser) (list []Message, err error) {
	_, err = c.ask(ctx, verb)
	if err == nil {
		before := 0
		err = c.lines(ctx, func(line []byte) error {
			m, err := parse(string(line), before)
			if err == nil {
				list = append(list, m)
				before = m.Number
			}
			return err
		})
	}
	if err != nil {
		return nil, wrap(verb, err)
	}
	return list, nil
}

func (c *Client) one(ctx context.Context, verb string, number int, parse parser) (Message, error) {
	text, err := c.askFor(ctx, verb, number)
	if err != nil {
		return Message{}, wrap(verb, err)
	}
	m, err := parse(text, 0)
	if err == nil && m.Number != number {
		err = protocolError(fmt.Sprintf("message %d was asked for", number), []byte(text))
	}
	m, err = c.check(m, err)
	return m, wrap(verb, err)
}

// check ends the connection if there is an error.
func (c *Client) check(m Message, err error) (Message, error) {
	if err != nil {
		return Message{}, c.fail(err)
	}
	return m, nil
}

// parseSize reads "number size" (RFC 1939 section 5). More may follow, after a
// blank.
func parseSize(line string, before int) (m Message, err error) {
	first, rest, _ := strings.Cut(line, " ")
	second, _, _ := strings.Cut(rest, " ")
	if m.Number, err = parseNumber(first, before, line); err != nil {
		return m, err
	}
	size, ok := parseDigits(second, math.MaxInt64)
	if !ok {
		return m, protocolError("a size that is not a number", []byte(line))
	}
	m.Size = size
	return m, nil
}

// parseUIDL reads "number unique-id" (RFC 1939 section 7).
func parseUIDL(line string, before int) (m Message, err error) {
	first, second, _ := strings.Cut(line, " ")
	if m.Number, err = parseNumber(first, before, line); err != nil {
		return m, err
	}
	if !mailbox.ValidUIDL(second) {
		return m, protocolError("an illegal unique-id", []byte(line))
	}
	m.UIDL = second
	return m, nil
}

func parseNumber(text string, before int, line string) (int, error) {
	n, ok := parseDigits(text, math.MaxInt32)
	switch {
	case !ok:
		return 0, protocolError("no message number", []byte(line))
	case int(n) <= before:
		return 0, protocolError("message numbers that do not ascend from 1", []byte(line))
	}
	return int(n), nil
}

// parseDigits takes digits and nothing else.
func parseDigits(text string, most int64) (int64, bool) {
	if strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n <= most
}
