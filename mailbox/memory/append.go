package memory

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Append implements [mailbox.Appender]. Errors of one recipient:
// [mailbox.ErrNoSuchUser] for a name that no user can have,
// [mailbox.ErrTooLarge], [mailbox.ErrOverQuota]. Errors of the whole delivery:
// no recipients, that of the body, that of ctx, [mailbox.ErrClosed].
func (s *Store) Append(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	if len(delivery.Recipients) == 0 {
		return nil, fmt.Errorf("memory: append: a delivery without recipients")
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: append: %w", err)
	}
	octets, err := s.read(body)
	if err != nil {
		return nil, fmt.Errorf("memory: append: read the body: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: append: %w", err)
	}
	results, events, err := s.deliverAll(delivery, octets)
	if err != nil {
		return nil, fmt.Errorf("memory: append: %w", err)
	}
	for _, event := range events {
		s.Notify(event)
	}
	return results, nil
}

// deliverAll adds a message to the mailbox of each recipient, and returns the
// events for the listeners. The lock is released even if the host's Canonical
// panics.
func (s *Store) deliverAll(delivery mailbox.Delivery, octets []byte) ([]mailbox.Result, []mailbox.Event, error) {
	results := make([]mailbox.Result, len(delivery.Recipients))
	events := make([]mailbox.Event, 0, len(results))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, mailbox.ErrClosed
	}
	for i, recipient := range delivery.Recipients {
		user, err := s.canonical(recipient.User)
		var message mailbox.Message
		if err == nil {
			events = s.expire(events, user) // it may be in the way of the quota
			message, err = s.deliver(user, recipient.Header, delivery.UIDL, octets)
		}
		if err != nil {
			results[i].Err = fmt.Errorf("memory: append: %w", err)
			continue
		}
		results[i].Message = message
		events = append(events, mailbox.Event{
			Kind: mailbox.Added, User: user, Messages: []mailbox.Message{message},
		})
	}
	return results, events, nil
}

// maxMessageSize is the limit that MaxMessageSize asks for.
func (s *Store) maxMessageSize() int64 {
	if s.MaxMessageSize < 0 {
		return math.MaxInt64
	}
	return cmp.Or(s.MaxMessageSize, mailbox.DefaultMaxMessageSize)
}

// read returns the canonical form of body, which it reads to the end. A body
// that is too large for every recipient is cut just above the limit.
func (s *Store) read(body io.Reader) ([]byte, error) {
	canonical := mailbox.NewCanonicalReader(body)
	octets, err := io.ReadAll(io.LimitReader(canonical, min(s.maxMessageSize(), math.MaxInt64-1)+1))
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, canonical)
	return octets, err
}

// deliver adds one message to the mailbox of a user. The caller holds the lock.
func (s *Store) deliver(user, header, uidl string, octets []byte) (mailbox.Message, error) {
	octets, err := withHeader(header, octets)
	if err != nil {
		return mailbox.Message{}, err
	}
	size := int64(len(octets))
	box := s.mailbox(user)
	switch {
	case size > s.maxMessageSize():
		return mailbox.Message{}, fmt.Errorf("%w: %d octets are the limit", mailbox.ErrTooLarge, s.maxMessageSize())
	case s.Quota > 0 && size > s.Quota-box.octets:
		return mailbox.Message{}, fmt.Errorf("%w: %d octets of %d are taken", mailbox.ErrOverQuota, box.octets, s.Quota)
	}
	m := &message{
		Message: mailbox.Message{ID: s.newID(box), UIDL: box.settle(uidl), Size: size},
		body:    octets,
		added:   time.Now(),
	}
	box.add(m)
	return m.Message, nil
}

// withHeader puts a recipient's own header before the octets that all share.
func withHeader(header string, octets []byte) ([]byte, error) {
	if header == "" {
		return octets, nil
	}
	canonical, err := io.ReadAll(mailbox.NewCanonicalReader(strings.NewReader(header)))
	return append(canonical, octets...), err
}

// newID never returns the same ID twice, nor one that clients of box may know
// as the foreign unique-id of another message. The caller holds the lock.
func (s *Store) newID(box *userMailbox) string {
	for {
		s.lastID++
		id := cmp.Or(s.IDPrefix, "m") + strconv.FormatUint(s.lastID, 10)
		if _, taken := box.shown[id]; !taken {
			return id
		}
	}
}
