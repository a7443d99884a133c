package memory

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/popcask/popcask/mailbox"
)

// Store keeps maildrops in memory. The zero value is an empty store. It is a [mailbox.Store] and a [mailbox.Appender], and safe for
// concurrent use; its fields are set before the first call.
type Store struct {
	// Canonical makes user names canonical, for Open and Append alike. nil
	// means [mailbox.CanonicalUser].
	Canonical func(user string) (string, error)

	// MaxMessageSize is the largest message that Append takes, in octets of the
	// canonical form, with the recipient's own header. A larger one is
	// [mailbox.ErrTooLarge]. 0 means [mailbox.DefaultMaxMessageSize], 64 MiB;
	// negative means no limit.
	MaxMessageSize int64

	// Quota is how much one maildrop holds, in octets; a message that does not
	// fit is [mailbox.ErrOverQuota]. 0 means no limit.
	Quota int64

	// IDPrefix begins every message ID. Empty means "m": the first message of
	// a store is then m1 in every run, as tests like it. A program whose clients
	// may leave mail on the server needs another one for each run, or they take
	// new mail for what they have seen.
	IDPrefix string

	// Listeners hear of every delivery and every removal. OnError is called with
	// a [*mailbox.ListenerError] for every event that one of them failed.
	mailbox.Listeners

	mu        sync.RWMutex // guards all below and the maildrops themselves
	maildrops map[string]*maildrop
	lastID    uint64
	closed    bool
}

// maildrop is what one user has.
type maildrop struct {
	// messages are in the order of delivery. Its elements are never written
	// again: a delivery appends, a removal makes a new slice. So whoever holds
	// the slice has a snapshot that costs nothing.
	messages []*message
	byID     map[string]*message
	octets   int64

	// shown has true for each unique-id that a message shows, and false for a
	// foreign one whose message was removed.
	shown map[string]bool
}

// message is never changed after its delivery.
type message struct {
	mailbox.Message
	body []byte // canonical
}

// Open opens the maildrop of login.User, empty where nobody ever wrote to it.
// It checks no credentials. Errors: [mailbox.ErrNoSuchUser] for a name that
// can be nobody's, [mailbox.ErrClosed], and that of ctx.
func (s *Store) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: open maildrop: %w", err)
	}
	user, err := s.canonical(login.User)
	if err != nil {
		return nil, fmt.Errorf("memory: open maildrop: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("memory: open maildrop: %w", mailbox.ErrClosed)
	}
	return &session{store: s, user: user, drop: s.maildrop(user)}, nil
}

// Append delivers a message; see [mailbox.Appender]. Each recipient gets it or
// does not get it independently of the others. Errors for one recipient:
// [mailbox.ErrNoSuchUser] for a name that can be nobody's,
// [mailbox.ErrTooLarge], [mailbox.ErrOverQuota]. Errors for all of them: a
// delivery without recipients, that of the body, that of ctx,
// [mailbox.ErrClosed].
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

// deliverAll adds a message to the maildrop of each recipient, and returns what
// the listeners are to hear. A host's Canonical that panics leaves no lock behind.
func (s *Store) deliverAll(delivery mailbox.Delivery, octets []byte) ([]mailbox.Result, []mailbox.Event, error) {
	results := make([]mailbox.Result, len(delivery.Recipients))
	events := make([]mailbox.Event, 0, len(results))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, mailbox.ErrClosed
	}
	for i, recipient := range delivery.Recipients {
		user, message, err := s.deliver(recipient, delivery.UIDL, octets)
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

// Close lets the listeners work off what they have still to hear, until ctx
// ends. It may be called again, to wait longer. Sessions that are still open
// get [mailbox.ErrClosed] from now on, as does every later call.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.Listeners.Close(ctx)
}

func (s *Store) canonical(user string) (string, error) {
	if s.Canonical != nil {
		return s.Canonical(user)
	}
	return mailbox.CanonicalUser(user)
}

// maxMessageSize is the limit that MaxMessageSize asks for.
func (s *Store) maxMessageSize() int64 {
	if s.MaxMessageSize < 0 {
		return math.MaxInt64
	}
	return cmp.Or(s.MaxMessageSize, mailbox.DefaultMaxMessageSize)
}

// read returns the canonical form of body, which it reads to the end. What is
// too large for every recipient is cut just above the limit.
func (s *Store) read(body io.Reader) ([]byte, error) {
	canonical := mailbox.NewCanonicalReader(body)
	octets, err := io.ReadAll(io.LimitReader(canonical, min(s.maxMessageSize(), math.MaxInt64-1)+1))
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, canonical)
	return octets, err
}

// deliver adds one message to one maildrop. The caller holds the lock.
func (s *Store) deliver(recipient mailbox.Recipient, uidl string, octets []byte) (string, mailbox.Message, error) {
	user, err := s.canonical(recipient.User)
	if err != nil {
		return "", mailbox.Message{}, err
	}
	octets, err = withHeader(recipient.Header, octets)
	if err != nil {
		return "", mailbox.Message{}, err
	}
	size := int64(len(octets))
	drop := s.maildrop(user)
	switch {
	case size > s.maxMessageSize():
		return "", mailbox.Message{}, fmt.Errorf("%w: %d octets are the limit", mailbox.ErrTooLarge, s.maxMessageSize())
	case s.Quota > 0 && size > s.Quota-drop.octets:
		return "", mailbox.Message{}, fmt.Errorf("%w: %d octets of %d are taken", mailbox.ErrOverQuota, drop.octets, s.Quota)
	}
	m := &message{
		Message: mailbox.Message{ID: s.newID(drop), UIDL: drop.settle(uidl), Size: size},
		body:    octets,
	}
	drop.add(m)
	return user, m.Message, nil
}

// withHeader puts a recipient's own header before the octets that all share.
func withHeader(header string, octets []byte) ([]byte, error) {
	if header == "" {
		return octets, nil
	}
	canonical, err := io.ReadAll(mailbox.NewCanonicalReader(strings.NewReader(header)))
	return append(canonical, octets...), err
}

// maildrop returns that of user. The caller holds the lock.
func (s *Store) maildrop(user string) *maildrop {
	drop := s.maildrops[user]
	if drop == nil {
		drop = &maildrop{byID: make(map[string]*message), shown: make(map[string]bool)}
		if s.maildrops == nil {
			s.maildrops = make(map[string]*maildrop)
		}
		s.maildrops[user] = drop
	}
	return drop
}

// newID never returns the same twice, nor what somebody's client knows as the
// foreign unique-id of another message (P5). The caller holds the lock.
func (s *Store) newID(drop *maildrop) string {
	for {
		s.lastID++
		id := cmp.Or(s.IDPrefix, "m") + strconv.FormatUint(s.lastID, 10)
		if _, taken := drop.shown[id]; !taken {
			return id
		}
	}
}

// settle decides the unique-id of a new message for life, as
// [mailbox.Delivery] asks: legal, and not what another message shows.
func (d *maildrop) settle(uidl string) string {
	if uidl == "" {
		return ""
	}
	uidl = mailbox.SafeUIDL(uidl)
	if d.shown[uidl] {
		return ""
	}
	return uidl
}

func (d *maildrop) add(m *message) {
	d.messages = append(d.messages, m)
	d.byID[m.ID] = m
	d.shown[mailbox.UIDL(m.Message)] = true
	d.octets += m.Size
}

// remove removes those of ids that are there, and returns them.
func (d *maildrop) remove(ids []string) []mailbox.Message {
	removed := make([]mailbox.Message, 0, len(ids))
	for _, id := range ids {
		m := d.byID[id]
		if m == nil {
			continue
		}
		removed = append(removed, m.Message)
		delete(d.byID, id)
		d.octets -= m.Size
		if m.UIDL == "" {
			delete(d.shown, m.ID)
		} else {
			d.shown[m.UIDL] = false
		}
	}
	if len(removed) > 0 {
		kept := make([]*message, 0, len(d.byID))
		for _, m := range d.messages {
			if d.byID[m.ID] != nil {
				kept = append(kept, m)
			}
		}
		d.messages = kept
	}
	return removed
}
