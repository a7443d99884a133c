package mailboxtest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// ended returns a context that has ended.
func (s *suite) ended() context.Context {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	return ctx
}

// outlives expects that a session goes on after a call whose context has ended.
func (s *session) outlives(call, id, body string) {
	s.Helper()
	octets, err := read(s.Context(), s.Mailbox, id, mailbox.OpenOptions{})
	if err != nil {
		s.breaks(ruleOutlives, "after %s whose context was cancelled the session cannot read a message: %v", call, err)
	}
	if got, want := canonical(octets), canonical([]byte(body)); got != want {
		s.breaks(ruleOutlives, "after %s whose context was cancelled a message comes with %s", call, difference(got, want))
	}
	if _, err := mailbox.List(s.Context(), s.Mailbox); err != nil {
		s.breaks(ruleOutlives, "after %s whose context was cancelled the session cannot list: %v", call, err)
	}
}

func cancelledListing(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 30)
	box := s.open(user)
	defer box.close()
	newest := len(bodies) - 1
	listed := box.list()
	if len(listed) != len(bodies) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(bodies), len(listed))
	}
	for _, places := range []int{0, 1, 10} {
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		if places == 0 {
			cancel()
		}
		seen := 0
		var listErr error
		for _, err := range box.Messages(ctx) {
			if listErr != nil {
				s.breaks(ruleEnds, "a listing went on after its error: %v", listErr)
			}
			if listErr = err; err != nil {
				continue
			}
			if seen++; seen == places {
				cancel()
			}
		}
		if listErr == nil && seen != len(bodies) {
			s.breaks(ruleContext, "a listing whose context was cancelled after %d messages ended without an error after %d of %d", places, seen, len(bodies))
		}
		box.outlives("a listing", listed[newest].ID, bodies[newest])
	}
	if box, err := s.Store.Open(s.ended(), s.login(user)); err == nil {
		if listed, err := mailbox.List(s.Context(), box); err == nil && len(listed) != len(bodies) {
			s.breaks(ruleContext, "Store.Open with a cancelled context returned a mailbox that lists %d messages of %d", len(listed), len(bodies))
		}
		_ = box.Close()
	} else if errors.Is(err, mailbox.ErrNoSuchUser) || errors.Is(err, mailbox.ErrAuthFailed) {
		s.breaks(ruleContext, "Store.Open with a cancelled context returned a final error: %v", err)
	}
	box.expect(ruleContext, "after listings that were cancelled", bodies...)
}

// sessionOutlivesContexts ends the context of every call after the call, as a
// server does.
func sessionOutlivesContexts(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 3)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	mb, err := s.Store.Open(ctx, s.login(user))
	if err != nil {
		s.breaks(ruleEmpty, "Store.Open for %q failed: %v", user, err)
	}
	box := &session{Mailbox: mb, suite: s, user: user}
	defer box.close()
	cancel()

	ctx, cancel = context.WithCancel(s.Context())
	defer cancel()
	listed, err := mailbox.List(ctx, box.Mailbox)
	if err != nil {
		s.breaks(ruleOutlives, "after the context of Store.Open has ended the listing failed: %v", err)
	}
	if len(listed) != len(bodies) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(bodies), len(listed))
	}
	cancel()
	box.outlives("Store.Open or a listing", listed[0].ID, bodies[0])

	ctx, cancel = context.WithCancel(s.Context())
	defer cancel()
	if err := box.Delete(ctx, []string{listed[1].ID}); err != nil {
		s.breaks(ruleOutlives, "after the contexts of other calls have ended Delete failed: %v", err)
	}
	cancel()
	box.outlives("Delete", listed[2].ID, bodies[2])
}

func cancelledOpen(s *suite) {
	user := s.user("bob")
	content := large("large")
	s.deliver(user, content)
	box := s.open(user)
	defer box.close()
	listed := box.list()
	if len(listed) != 1 {
		s.breaks(ruleWhole, "1 message was delivered and %d are listed", len(listed))
	}
	id := listed[0].ID
	judge := func(octets []byte, err error, when string) {
		s.Helper()
		switch {
		case errors.Is(err, mailbox.ErrNotFound):
			s.breaks(ruleTemporary, "Open with a context that was cancelled %s returned %v", when, err)
		case err == nil && canonical(octets) != content:
			s.breaks(ruleContext, "with a context that was cancelled %s a message comes without an error and with %s", when, difference(canonical(octets), content))
		}
	}
	octets, err := read(s.ended(), box, id, mailbox.OpenOptions{})
	judge(octets, err, "before")
	box.outlives("Open", id, content)

	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	body, err := box.Open(ctx, id, mailbox.OpenOptions{})
	if err != nil {
		s.breaks(ruleOctets, "a message that is listed cannot be opened: %v", err)
	}
	start := make([]byte, 100)
	n, err := io.ReadFull(body, start)
	if err != nil {
		s.breaks(ruleOctets, "a message that is listed cannot be read: %v", err)
	}
	cancel()
	rest, err := io.ReadAll(body)
	judge(append(start[:n], rest...), err, "after 100 octets")
	_ = body.Close()

	box.outlives("a reader", id, content)
}

func cancelledDelete(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 5)
	box := s.open(user)
	before := box.list()
	if len(before) != len(bodies) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(bodies), len(before))
	}
	ids := idsOf(before[1:4])
	err := box.Delete(s.ended(), ids)
	box.outlives("Delete", before[0].ID, bodies[0])
	box.close()
	s.judge(user, before, bodies, ids, err)
	s.delete(user, ids...) // the client tries again
	s.gone(user, ids...)
	s.expect(ruleDelete, user, "after a Delete that was cancelled and repeated", bodies[0], bodies[4])
}

func cancelledAppend(s *suite) {
	user := s.user("bob")
	whole := large("cancelled")
	more := text(640 << 10)
	acknowledged := 0
	for _, when := range []string{"before it", "while its body was read", "at the end of its body"} {
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		var body io.Reader = strings.NewReader(whole)
		cancelling := readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, io.EOF
		})
		switch when {
		case "before it":
			cancel()
		case "while its body was read":
			body = io.MultiReader(body, cancelling, strings.NewReader(more))
		default:
			body = io.MultiReader(body, cancelling)
		}
		results, err := s.tryAppend(ctx, body, user)
		switch {
		case err != nil && results != nil:
			s.breaks(ruleResults, "Append returned results beside an error for a delivery that was cancelled %s", when)
		case err == nil && len(results) != 1:
			s.breaks(ruleResults, "Append returned %d results for one recipient of a delivery that was cancelled %s", len(results), when)
		case err == nil && results[0].Err == nil:
			acknowledged++
		}
		box := s.open(user)
		listed := box.list()
		if len(listed) != acknowledged {
			s.breaks(ruleContext, "after a delivery that was cancelled %s and returned %v the listing has %d messages more than were acknowledged", when, err, len(listed)-acknowledged)
		}
		for _, m := range listed {
			if octets := box.read(m.ID); octets != whole && octets != whole+more {
				s.breaks(ruleContext, "a delivery that was cancelled %s left a message with %s", when, difference(octets, whole))
			}
		}
		box.close()
	}
}

// returnsSoon makes calls whose context ends while a broken store may hang.
func (s *suite) returnsSoon(box *session, id string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Millisecond)
	defer cancel()
	if !s.promptly(func() { _, _ = read(ctx, box.Mailbox, id, mailbox.OpenOptions{}) }) {
		s.breaks(ruleSoon, "on a broken store Open does not return after its context has ended")
	}
	ctx, cancel = context.WithTimeout(s.Context(), 20*time.Millisecond)
	defer cancel()
	if !s.promptly(func() { _, _ = mailbox.List(ctx, box.Mailbox) }) {
		s.breaks(ruleSoon, "on a broken store a listing does not return after its context has ended")
	}
}

// brokenStore makes every kind of call while the store is broken.
func brokenStore(s *suite) {
	if s.Break == nil {
		s.skip("the harness has no Break")
	}
	user := s.user("bob")
	bodies := s.fill(user, 6)
	box := s.open(user)
	before := box.list()
	if len(before) != len(bodies) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(bodies), len(before))
	}
	mend := sync.OnceFunc(s.Break(s.TB))
	defer mend()
	s.returnsSoon(box, before[0].ID)
	ctx, cancel := context.WithTimeout(s.Context(), s.patience) // for a network that swallows everything
	defer cancel()

	for i, m := range before {
		octets, err := read(ctx, box, m.ID, mailbox.OpenOptions{})
		switch {
		case errors.Is(err, mailbox.ErrNotFound):
			s.breaks(ruleTemporary, "Open of a listed message on a broken store returned %v", err)
		case err == nil && canonical(octets) != canonical([]byte(bodies[i])):
			s.breaks(ruleOctets, "on a broken store a message comes without an error and with %s", difference(canonical(octets), canonical([]byte(bodies[i]))))
		}
	}
	if sizer, ok := box.Mailbox.(mailbox.Sizer); ok {
		if _, err := sizer.Size(ctx, before[0].ID); errors.Is(err, mailbox.ErrNotFound) {
			s.breaks(ruleTemporary, "Size of a listed message on a broken store returned %v", err)
		}
	}
	if other, err := s.Store.Open(ctx, s.login(user)); err == nil {
		if listed, err := mailbox.List(ctx, other); err == nil && len(listed) != len(before) {
			s.breaks(ruleWhole, "on a broken store a listing ends without an error after %d of %d messages", len(listed), len(before))
		}
		_ = other.Close()
	} else if errors.Is(err, mailbox.ErrNoSuchUser) || errors.Is(err, mailbox.ErrAuthFailed) {
		s.breaks(ruleEmpty, "Store.Open on a broken store returned a final error: %v", err)
	}
	late := mail("on a broken store")
	lateErr := s.tryDeliver(ctx, user, strings.NewReader(late))
	for _, final := range []error{mailbox.ErrNoSuchUser, mailbox.ErrTooLarge, mailbox.ErrOverQuota, mailbox.ErrPermanent} {
		if errors.Is(lateErr, final) {
			s.breaks(ruleResults, "a delivery to a broken store failed for good instead of for now: %v", lateErr)
		}
	}
	ids := idsOf(before[1:5])
	deleteErr := box.Delete(ctx, ids)
	_ = box.Mailbox.Close()
	box.closed = true

	mend()
	s.judge(user, before, bodies, ids, deleteErr)
	if lateErr == nil {
		after := s.open(user)
		listed := after.list()
		if len(listed) == 0 || after.read(listed[len(listed)-1].ID) != late {
			s.breaks(ruleWhole, "a delivery that a broken store acknowledged is not listed")
		}
		after.close()
	}
	s.delete(user, ids...)
	s.gone(user, ids...)
}
