package pop3test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// delivery is what was delivered since the start.
type delivery struct {
	mu       sync.Mutex
	messages []*Message    // in the order of delivery
	changed  chan struct{} // closed at the next delivery
}

// received hears of every message that was received by SMTP or LMTP.
func (m *MailServer) received(ctx context.Context, c *lmtp.Conn, info lmtp.MessageInfo) {
	var messages []*Message
	for _, to := range info.Recipients {
		if to.Err == nil {
			if message, err := m.read(ctx, to.User, to.Message.ID); err == nil {
				message.EnvelopeFrom, message.EnvelopeTo = to.From, to.Address
				messages = append(messages, message)
			}
		}
	}
	m.delivery.add(messages)
	if m.faults.drop() {
		c.Close()
	}
}

// add notes messages, of which some may be one message, for two addresses of a
// user.
func (d *delivery) add(messages []*Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, message := range messages {
		if !slices.ContainsFunc(messages[:i], message.isSame) {
			d.messages = append(d.messages, message)
		}
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

// sinceStart returns what was delivered, and a channel that is closed at the next
// delivery.
func (d *delivery) sinceStart() ([]*Message, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.messages), d.changed
}

// Wait waits until n messages were delivered since the start, a message to two
// users being two, and returns them in the order of delivery. If ctx ends first,
// or [Patience] if ctx has no deadline, the test fails.
func (m *MailServer) Wait(ctx context.Context, n int) []*Message {
	m.t.Helper()
	return m.await(ctx, fmt.Sprintf("%d messages", n), func(messages []*Message) bool { return len(messages) >= n })
}

// WaitFor waits for a message that was delivered since the start, and returns the
// first that wanted reports true of. If ctx ends first, or [Patience] if ctx has
// no deadline, the test fails.
func (m *MailServer) WaitFor(ctx context.Context, wanted func(*Message) bool) *Message {
	m.t.Helper()
	messages := m.await(ctx, "such message", func(messages []*Message) bool { return slices.ContainsFunc(messages, wanted) })
	return messages[slices.IndexFunc(messages, wanted)]
}

// await waits until the messages that were delivered are enough.
func (m *MailServer) await(ctx context.Context, what string, enough func([]*Message) bool) []*Message {
	m.t.Helper()
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Patience)
		defer cancel()
	}
	for {
		messages, changed := m.delivery.sinceStart()
		if enough(messages) {
			return messages
		}
		select {
		case <-changed:
		case <-ctx.Done():
			m.t.Fatalf("pop3test: no %s in time; delivered:%s", what, summary(messages))
		}
	}
}

// summary is a line for each message.
func summary(messages []*Message) string {
	var lines strings.Builder
	for _, message := range messages {
		fmt.Fprintf(&lines, "\n\tto %s: %q", message.User, message.Subject)
	}
	if len(messages) == 0 {
		return " nothing"
	}
	return lines.String()
}

// Messages returns the messages that are in the mailbox of a user, oldest first:
// those of Load too, and without those that were removed over POP3.
func (m *MailServer) Messages(user string) []*Message {
	m.t.Helper()
	messages, err := m.list(context.Background(), m.canonical(user))
	if err != nil {
		m.t.Fatalf("pop3test: messages of %q: %v", user, err)
	}
	return messages
}

// Users returns the names of the mailboxes to which mail was delivered since the
// start, in alphabetical order.
func (m *MailServer) Users() []string {
	var users []string
	messages, _ := m.delivery.sinceStart()
	for _, message := range messages {
		users = append(users, message.User)
	}
	slices.Sort(users)
	return slices.Compact(users)
}

func (m *MailServer) list(ctx context.Context, user string) ([]*Message, error) {
	mb, err := m.Store.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return nil, err
	}
	defer mb.Close()
	delivered, _ := m.delivery.sinceStart()
	var messages []*Message
	for listed, err := range mb.Messages(ctx) {
		if err != nil {
			return nil, err
		}
		message := &Message{User: user, ID: listed.ID}
		if i := slices.IndexFunc(delivered, message.isSame); i >= 0 {
			message = delivered[i]
		} else if message, err = m.read(ctx, user, listed.ID); err != nil {
			return nil, err
		}
		messages = append(messages, message)
	}
	return messages, nil
}

// read reads a message of the store.
func (m *MailServer) read(ctx context.Context, user, id string) (*Message, error) {
	mb, err := m.Store.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return nil, err
	}
	defer mb.Close()
	body, err := mb.Open(ctx, id, mailbox.OpenOptions{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	octets, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	message := &Message{User: user, ID: id, Octets: octets}
	message.Err = message.parse(bytes.NewReader(octets))
	return message, nil
}
