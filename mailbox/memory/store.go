package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Store keeps mail in memory. The zero value is an empty store. It is a
// [mailbox.Store], a [mailbox.Appender] and a [mailbox.EventSource], and safe
// for concurrent use. Set its fields before the first call.
type Store struct {
	// Canonical makes user names canonical, for Open and Append alike. Two names
	// with the same result are the same user. nil means [mailbox.CanonicalUser].
	Canonical func(user string) (string, error)

	// MaxMessageSize is the largest message that Append takes, in octets of the
	// canonical form, with the recipient's own header. A larger one is
	// [mailbox.ErrTooLarge]. 0 means [mailbox.DefaultMaxMessageSize], 64 MiB;
	// negative means no limit.
	MaxMessageSize int64

	// Quota is how much one mailbox holds, in octets of its messages. A message
	// that does not fit is [mailbox.ErrOverQuota]. 0 means no limit.
	Quota int64

	// Expire is how long a message stays, unless it is removed before. 0 is for
	// ever. A message that is older is removed when its mailbox is opened or gets
	// mail.
	Expire time.Duration

	// IDPrefix begins every message ID. Empty means "m": the first message of a
	// store is then m1 in every run, which suits tests. If clients may leave
	// mail on the server, each run needs a prefix of its own: otherwise they
	// take new mail for mail that they have seen.
	IDPrefix string

	// Listeners hear of every delivery and every removal. OnError is called with
	// a [*mailbox.ListenerError] for every event that a listener failed.
	mailbox.Listeners

	mu        sync.RWMutex // guards all below and the mailboxes themselves
	mailboxes map[string]*userMailbox
	lastID    uint64
	closed    bool
}

// Open implements [mailbox.Store]. Any number of sessions may have one mailbox
// open. It checks no credentials. Errors: [mailbox.ErrNoSuchUser] for a name
// that no user can have, [mailbox.ErrClosed], and that of ctx.
func (s *Store) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: open mailbox: %w", err)
	}
	user, err := s.canonical(login.User)
	if err != nil {
		return nil, fmt.Errorf("memory: open mailbox: %w", err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, fmt.Errorf("memory: open mailbox: %w", mailbox.ErrClosed)
	}
	expired := s.expire(nil, user)
	box := s.mailbox(user)
	s.mu.Unlock()
	for _, event := range expired {
		s.Notify(event)
	}
	return &session{store: s, user: user, box: box}, nil
}

// expire removes the old messages of a user, and adds the event to those for the
// listeners. The caller holds the lock.
func (s *Store) expire(events []mailbox.Event, user string) []mailbox.Event {
	if s.Expire <= 0 {
		return events
	}
	box := s.mailbox(user)
	if removed := box.remove(box.old(time.Now().Add(-s.Expire))); len(removed) > 0 {
		events = append(events, mailbox.Event{Kind: mailbox.Removed, User: user, Messages: removed})
	}
	return events
}

// Retention implements [mailbox.Expirer].
func (s *Store) Retention() time.Duration { return max(0, s.Expire) }

// Close implements [mailbox.Store]: it waits until the listeners have heard of
// everything, or ctx ends. It may be called again, to wait longer. Sessions that
// are still open get [mailbox.ErrClosed] from now on, as does every later call.
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

// mailbox returns the mailbox of user. The caller holds the lock.
func (s *Store) mailbox(user string) *userMailbox {
	box := s.mailboxes[user]
	if box == nil {
		box = &userMailbox{byID: make(map[string]*message), shown: make(map[string]bool)}
		if s.mailboxes == nil {
			s.mailboxes = make(map[string]*userMailbox)
		}
		s.mailboxes[user] = box
	}
	return box
}
