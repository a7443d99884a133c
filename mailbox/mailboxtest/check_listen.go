package mailboxtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// listen adds a listener, or skips the check if the store is no EventSource.
func (s *suite) listen(listener mailbox.ListenerFunc) {
	s.Helper()
	store, ok := s.Store.(mailbox.EventSource)
	if !ok {
		s.skip("the store is no mailbox.EventSource")
	}
	store.Listen(listener)
}

// heard is a listener that remembers its events.
type heard struct {
	mu     sync.Mutex
	events []mailbox.Event
	more   chan struct{} // not empty if there are new events
}

func newHeard() *heard { return &heard{more: make(chan struct{}, 1)} }

func (h *heard) listener(_ context.Context, event mailbox.Event) error {
	h.mu.Lock()
	h.events = append(h.events, event)
	h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
	return nil
}

func (h *heard) has(kind mailbox.EventKind, user, id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, event := range h.events {
		if event.Kind != kind || event.User != user {
			continue
		}
		for _, m := range event.Messages {
			if m.ID == id {
				return true
			}
		}
	}
	return false
}

// await reports whether the event is heard before patience ends.
func (h *heard) await(patience time.Duration, kind mailbox.EventKind, user, id string) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for !h.has(kind, user, id) {
		select {
		case <-h.more:
		case <-timer.C:
			return false
		}
	}
	return true
}

func listenersHear(s *suite) {
	first, second := newHeard(), newHeard()
	s.listen(first.listener)
	s.listen(second.listener)
	user, stranger := s.user("bob"), s.user("eve")
	s.deliver(strings.ToUpper(user), mail("one"))
	s.deliver(user, mail("two"))
	listed := s.list(user)
	if len(listed) != 2 {
		s.breaks(ruleWhole, "2 messages were delivered and %d are listed", len(listed))
	}
	s.delete(user, listed[0].ID, "no-such-message")
	s.list(stranger)

	for _, h := range []*heard{first, second} {
		for _, m := range listed {
			if !h.await(s.patience, mailbox.Added, user, m.ID) {
				s.breaks(ruleListener, "no listener heard under the canonical user name that a message was added")
			}
		}
		if !h.await(s.patience, mailbox.Removed, user, listed[0].ID) {
			s.breaks(ruleListener, "no listener heard under the canonical user name that a message was removed")
		}
	}
	if appender, ok := s.Store.(mailbox.Appender); ok {
		broken := errorBesideOctets{strings.NewReader("x"), errors.New("the line broke")}
		_, _ = appender.Append(s.Context(), mailbox.To(stranger), broken)
	}
	s.closeStore() // all is heard now
	if first.has(mailbox.Removed, user, listed[1].ID) {
		s.breaks(ruleListener, "a listener heard that a message was removed which was not")
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	for _, event := range first.events {
		if event.User == stranger {
			s.breaks(ruleListener, "a listener heard of a change of a mailbox that nothing happened to")
		}
		if event.User != user {
			continue // of another check on the same database
		}
		for _, m := range event.Messages {
			if event.Kind == mailbox.Added && !same(m, listed[0]) && !same(m, listed[1]) {
				s.breaks(ruleListener, "a listener heard of the added message %+v, which is not one of the listing", m)
			}
		}
	}
}

func listenersHarmNothing(s *suite) {
	release := make(chan struct{})
	hangs := func(context.Context, mailbox.Event) error { <-release; return nil }
	s.listen(func(context.Context, mailbox.Event) error { return errors.New("the listener failed") })
	s.listen(func(context.Context, mailbox.Event) error { panic("the listener panicked") })
	s.listen(hangs)
	defer close(release)

	user := s.user("bob")
	var err error
	if !s.promptly(func() {
		for i := 0; i < 50 && err == nil; i++ {
			err = s.tryDeliver(s.Context(), user, strings.NewReader(mail(fmt.Sprintf("hello %d", i))))
		}
	}) {
		s.breaks(ruleHarmless, "a listener that hangs holds up deliveries")
	}
	s.taken(ruleHarmless, "with listeners that fail, a delivery", err)
	listed := s.list(user)
	if len(listed) != 50 {
		s.breaks(ruleWhole, "50 messages were delivered and %d are listed", len(listed))
	}
	if !s.promptly(func() {
		var box mailbox.Mailbox
		if box, err = s.Store.Open(s.Context(), s.login(user)); err == nil {
			err = errors.Join(box.Delete(s.Context(), idsOf(listed)), box.Close())
		}
	}) {
		s.breaks(ruleHarmless, "a listener that hangs holds up removals")
	}
	if err != nil {
		s.breaks(ruleHarmless, "with listeners that fail a removal failed: %v", err)
	}
	s.gone(user, idsOf(listed)...)
}
