package mailboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

func closeDrainsListeners(s *suite) {
	const n = 20
	events := newHeard()
	begun, release := make(chan struct{}, 1), make(chan struct{})
	s.listen(func(ctx context.Context, event mailbox.Event) error {
		select {
		case begun <- struct{}{}:
		default:
		}
		<-release // so that there is something to drain
		return events.listener(ctx, event)
	})
	user := s.user("bob")
	s.fill(user, n)
	listed := s.list(user)
	if !s.promptly(func() { <-begun }) {
		close(release)
		s.breaks(ruleListener, "a listener did not hear that a message was added")
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.closeStore()
	}()
	close(release)
	<-closed
	for _, m := range listed {
		if !events.has(mailbox.Added, user, m.ID) {
			s.breaks(ruleDrain, "Store.Close returned before a listener heard of the last of %d deliveries", n)
		}
	}
}

func closeGivesUpWithItsContext(s *suite) {
	release := make(chan struct{})
	begun := make(chan struct{}, 1)
	s.listen(func(context.Context, mailbox.Event) error {
		select {
		case begun <- struct{}{}:
		default:
		}
		<-release
		return nil
	})
	defer close(release)
	s.deliver(s.user("bob"), mail("hello"))
	if !s.promptly(func() { <-begun }) {
		s.breaks(ruleListener, "a listener did not hear that a message was added")
	}
	var err error
	if !s.promptly(func() { err = s.Store.Close(s.ended()) }) {
		s.breaks(ruleDrain, "Store.Close with a context that has ended waits for a listener that hangs")
	}
	if err == nil {
		s.breaks(ruleDrain, "Store.Close returned nil while a listener is still at work")
	}
}

func afterClose(s *suite) {
	user := s.user("bob")
	s.deliver(user, mail("hello"))
	ctx := s.Context()
	if err := s.Store.Close(ctx); err != nil {
		s.breaks(ruleDrain, "Store.Close failed: %v", err)
	}
	box, err := s.Store.Open(ctx, s.login(user))
	if err == nil {
		_ = box.Close()
	}
	if !errors.Is(err, mailbox.ErrClosed) {
		s.breaks(ruleClosed, "Store.Open on a closed store returned %v", err)
	}
	if appender, ok := s.Store.(mailbox.Appender); ok {
		results, err := appender.Append(ctx, mailbox.To(user), strings.NewReader(mail("late")))
		if !errors.Is(err, mailbox.ErrClosed) {
			s.breaks(ruleClosed, "Append on a closed store returned %v", err)
		}
		if results != nil {
			s.breaks(ruleResults, "Append on a closed store returned results beside its error")
		}
	}
	if err := s.Store.Close(ctx); err != nil && !errors.Is(err, mailbox.ErrClosed) {
		s.breaks(ruleClosed, "a second Store.Close returned %v", err)
	}
}

// restart closes the store and opens it again, or skips the check if the harness
// cannot.
func (s *suite) restart() {
	s.Helper()
	if s.Reopen == nil {
		s.skip("the harness has no Reopen")
	}
	s.closeStore()
	s.Store = s.Reopen(s.TB)
}

func reopenFindsEverything(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 12)
	last := large("the last")
	s.deliver(user, last)
	bodies = append(bodies, last)
	before := s.list(user)
	if len(before) != len(bodies) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(bodies), len(before))
	}
	gone := []string{before[0].ID, before[4].ID}
	s.delete(user, gone...)
	s.restart()

	s.gone(user, gone...)
	bodies = slices.Concat(bodies[1:4], bodies[5:])
	before = slices.Concat(before[1:4], before[5:])
	after := s.expect(ruleDurable, user, "after a restart", bodies...)
	if !sameListing(before, after) {
		s.breaks(ruleDurable, "a restart changed IDs, UIDLs or sizes of the listing")
	}
	s.deliver(user, mail("after the restart"))
	s.expect(ruleOrder, user, "after a restart and a delivery", append(bodies, mail("after the restart"))...)
}

func reopenForgetsNoUIDL(s *suite) {
	user, emptied := s.user("bob"), s.user("eve")
	_, takes := s.Store.(mailbox.Appender)
	ids, shown := make(map[string]bool), make(map[string]bool)
	var first, second mailbox.Message
	for round := range 3 {
		if takes && round == 0 {
			first = s.appendOne(user, "foreign", mail("the first"))
			second = s.appendOne(user, "foreign", mail("the second"))
			s.appendOne(user, "not legal", mail("the third"))
		}
		s.fill(emptied, 3)
		for _, m := range s.list(emptied) {
			if ids[m.ID] {
				s.breaks(ruleID, "the ID %q of a deleted message was given to another one after a restart", m.ID)
			}
			if shown[mailbox.UIDL(m)] {
				s.breaks(ruleUIDL, "the UIDL %q of a deleted message is shown by another one after a restart", mailbox.UIDL(m))
			}
			ids[m.ID], shown[mailbox.UIDL(m)] = true, true
			s.delete(emptied, m.ID)
		}
		s.restart()
		if !takes {
			continue
		}
		when := fmt.Sprintf("after restart %d", round+1)
		if round == 0 {
			s.showsUIDL(user, first, "a message with a foreign UIDL "+when, "foreign")
			third := s.appendOne(user, "not legal", mail("the fourth"))
			s.showsUIDL(user, third, "a message whose foreign UIDL another one shows already "+when, derived(third))
			s.delete(user, first.ID)
		}
		s.showsUIDL(user, second, "a message whose foreign UIDL was dropped "+when, derived(second))
	}
}
