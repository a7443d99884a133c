package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3/pop3test"
)

// popSession is a session over POP3: the promises hold for a client that sees
// nothing but the protocol.
func (w *Worker) popSession(ctx context.Context) {
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
	defer client.Conn().Close()
	numbers := make(map[string]int) // of the session
	for i, m := range messages {
		numbers[m.ID] = i + 1
	}
	for _, m := range w.some(messages) {
		number, op := w.call(Op{Kind: Retrieve, User: user, Message: m, POP3: true})
		octets, err := retrieve(client, numbers[m.ID])
		if err == nil {
			op.Body, op.Torn = read(octets, m.Size)
		}
		w.back(number, op, err)
		if err != nil && !errors.As(err, new(refusal)) {
			return // the connection is broken
		}
	}
	half := w.half(messages)
	for _, m := range half {
		if err := say(client, fmt.Sprintf("DELE %d", numbers[m.ID])); err != nil {
			return // nothing is removed without QUIT
		}
	}
	if len(half) > 0 {
		number, op = w.call(Op{Kind: Remove, User: user, Removed: half, POP3: true})
		w.back(number, op, say(client, "QUIT"))
	}
}

// login logs in and lists.
func (w *Worker) login(ctx context.Context, user string) (*pop3test.RawClient, []Message, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", w.address)
	if err != nil {
		return nil, nil, err
	}
	client, err := pop3test.NewRawClient(conn, 2*w.host.Deadline)
	if err == nil {
		err = client.Login(user, "x")
	}
	var messages []Message
	if err == nil {
		messages, err = list(client)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return client, messages, nil
}

// list lists the maildrop. A message without a foreign unique-id shows its ID,
// so that UIDL identifies it.
func list(client *pop3test.RawClient) ([]Message, error) {
	ids, err := multi(client, "UIDL")
	if err != nil {
		return nil, err
	}
	sizes, err := multi(client, "LIST")
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

// retrieve sends RETR. A final -ERR is [mailbox.ErrNotFound] (P2).
func retrieve(client *pop3test.RawClient, number int) (string, error) {
	octets, err := multi(client, fmt.Sprintf("RETR %d", number))
	var refused refusal
	if errors.As(err, &refused) && !strings.Contains(string(refused), "[SYS/") {
		return "", fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	}
	return octets, err
}

// refusal is a -ERR.
type refusal string

func (r refusal) Error() string { return string(r) }

// say sends a command and expects +OK.
func say(client *pop3test.RawClient, command string) error {
	status, err := client.Command(command)
	return accepted(status, err)
}

// multi is say for a command with a multi-line response.
func multi(client *pop3test.RawClient, command string) (string, error) {
	status, body, err := client.Multi(command)
	return string(body), accepted(status, err)
}

// accepted returns an error for a -ERR.
func accepted(status string, err error) error {
	if err == nil && !strings.HasPrefix(status, "+OK") {
		err = refusal(status)
	}
	return err
}
