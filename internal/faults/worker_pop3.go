package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3/pop3client"
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
	defer client.Close()
	numbers := make(map[string]int) // of the session
	for i, m := range messages {
		numbers[m.ID] = i + 1
	}
	for _, m := range w.some(messages) {
		number, op := w.call(Op{Kind: Retrieve, User: user, Message: m, POP3: true})
		octets, err := retrieve(ctx, client, numbers[m.ID])
		if err == nil {
			op.Body, op.Torn = read(octets, m.Size)
		}
		w.back(number, op, err)
		if err != nil && !errors.As(err, new(*pop3client.Error)) {
			return // the connection is broken
		}
	}
	half := w.half(messages)
	for _, m := range half {
		if err := client.Dele(ctx, numbers[m.ID]); err != nil {
			return // nothing is removed without QUIT
		}
	}
	if len(half) > 0 {
		number, op = w.call(Op{Kind: Remove, User: user, Removed: half, POP3: true})
		w.back(number, op, client.Quit(ctx))
	}
}

// login logs in and lists.
func (w *Worker) login(ctx context.Context, user string) (*pop3client.Client, []Message, error) {
	options := pop3client.Options{AllowInsecureAuth: true, Timeout: 2 * w.host.Deadline}
	client, err := pop3client.Dial(ctx, w.address, options)
	if err != nil {
		return nil, nil, err
	}
	err = client.Login(ctx, user, "x")
	var messages []Message
	if err == nil {
		messages, err = list(ctx, client)
	}
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, messages, nil
}

// list lists the maildrop. A message without a foreign unique-id shows its ID,
// so that UIDL identifies it.
func list(ctx context.Context, client *pop3client.Client) (messages []Message, err error) {
	ids, err := client.UIDL(ctx)
	if err != nil {
		return nil, err
	}
	sizes, err := client.List(ctx)
	if err != nil {
		return nil, err
	}
	if len(ids) != len(sizes) {
		return nil, fmt.Errorf("UIDL lists %d messages, LIST %d", len(ids), len(sizes))
	}
	for i, m := range ids {
		if m.Number != i+1 || sizes[i].Number != i+1 {
			return nil, fmt.Errorf("message %d is UIDL's %d and LIST's %d", i+1, m.Number, sizes[i].Number)
		}
		messages = append(messages, Message{ID: m.UIDL, UIDL: m.UIDL, Size: sizes[i].Size})
	}
	return messages, nil
}

// retrieve retrieves a message. A final -ERR is [mailbox.ErrNotFound] (P2).
func retrieve(ctx context.Context, client *pop3client.Client, number int) (string, error) {
	body, err := client.Retr(ctx, number)
	var refused *pop3client.Error
	if errors.As(err, &refused) && !strings.HasPrefix(string(refused.Code), "SYS/") {
		return "", fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	}
	if err != nil {
		return "", err
	}
	octets, err := io.ReadAll(body)
	return string(octets), err
}
