package mailboxtest

import (
	"context"
	"errors"
	"slices"

	"github.com/popcask/popcask/mailbox"
)

// measureAndRetrieve opens messages for everything but TOP.
func measureAndRetrieve(s *suite) {
	user := s.user("bob")
	bodies := append(s.fill(user, 2), large("large"))
	s.deliver(user, bodies[2])
	box := s.open(user)
	defer box.close()
	for i, m := range box.expect(ruleWhole, "after three deliveries", bodies...) {
		for what, options := range map[string]mailbox.OpenOptions{
			"Measure":                        {For: mailbox.Measure},
			"Measure with a number of lines": {For: mailbox.Measure, Lines: 1},
			"Retrieve with such a number":    {Lines: 1},
		} {
			octets, err := read(s.Context(), box, m.ID, options)
			if err != nil {
				s.breaks(ruleEntire, "Open for %s failed: %v", what, err)
			}
			if got, want := canonical(octets), canonical([]byte(bodies[i])); got != want {
				s.breaks(ruleEntire, "Open for %s leads to %s", what, difference(got, want))
			}
		}
	}
}

// sizerTellsTheSize compares what a Sizer says with the octets and the listing.
func sizerTellsTheSize(s *suite) {
	user := s.user("bob")
	s.sizer(user)
	forms := s.deliverForms(user, ordinaryForms(), []form{
		{"bare LF line ends", "Subject: hello\n\nHello,\nworld.\n"},
		{"no final line end", mail("hello", "Hello")},
		{"no octets at all", ""},
	})
	box := s.open(user)
	defer box.close()
	sizer := box.Mailbox.(mailbox.Sizer)
	listed := s.ordered(box, forms)
	for i, m := range listed {
		size, err := sizer.Size(s.Context(), m.ID)
		if err != nil {
			s.breaks(ruleSizer, "Size of the message with %s failed: %v", forms[i].name, err)
		}
		octets := int64(len(canonical([]byte(forms[i].octets))))
		if size >= 0 && size != octets {
			s.breaks(ruleSizer, "Size says that the message with %s has %d octets, and it has %d", forms[i].name, size, octets)
		}
		if size, err := sizer.Size(s.ended(), m.ID); errors.Is(err, mailbox.ErrNotFound) || err == nil && size >= 0 && size != octets {
			s.breaks(ruleSizer, "Size with a context that has ended returned %d octets of %d, and %v", size, octets, err)
		}
		box.outlives("Size", m.ID, forms[i].octets)
	}
	s.sizerIsAskedForTheAbsent(sizer, idsOf(listed))
}

// sizer skips the check if the mailboxes are no Sizers.
func (s *suite) sizer(user string) {
	s.Helper()
	box := s.open(user)
	defer box.close()
	if _, ok := box.Mailbox.(mailbox.Sizer); !ok {
		s.skip("the mailbox is no mailbox.Sizer")
	}
}

// ordered returns the listing of forms.
func (s *suite) ordered(box *session, forms []form) []mailbox.Message {
	s.Helper()
	bodies := make([]string, len(forms))
	for i, form := range forms {
		bodies[i] = form.octets
	}
	return box.expect(ruleWhole, "after deliveries of several kinds", bodies...)
}

// sizerIsAskedForTheAbsent asks a Sizer whose mailbox has ids for others.
func (s *suite) sizerIsAskedForTheAbsent(sizer mailbox.Sizer, ids []string) {
	s.Helper()
	stranger := s.user("eve")
	absent := func(sizer mailbox.Sizer, what, id string) {
		s.Helper()
		size, err := sizer.Size(s.Context(), id)
		if unknown := err == nil && size < 0; !unknown && !errors.Is(err, mailbox.ErrNotFound) {
			s.breaks(ruleSizer, "Size of %s returned %d and %v instead of ErrNotFound", what, size, err)
		}
	}
	for _, id := range strangeIDs() {
		absent(sizer, "an ID that no message has", id)
	}
	s.deliver(stranger, mail("for a stranger"))
	foreign := s.list(stranger)[0].ID
	if !slices.Contains(ids, foreign) {
		absent(sizer, "a message of another user", foreign)
	}
	s.delete(stranger, foreign)
	later := s.open(stranger)
	defer later.close()
	absent(later.Mailbox.(mailbox.Sizer), "a message that an earlier session deleted", foreign)
}

// receiptsAreTaken tells a Receipter what a client has got. It may remove that
// message, and no other.
func receiptsAreTaken(s *suite) {
	user, stranger := s.user("bob"), s.user("eve")
	foreign := s.fill(stranger, 2)
	bodies := s.fill(user, 3)
	box := s.open(user)
	defer box.close()
	receipter, ok := box.Mailbox.(mailbox.Receipter)
	if !ok {
		s.skip("the mailbox is no mailbox.Receipter")
	}
	listed := box.expect(ruleWhole, "after three deliveries", bodies...)
	ids := idsOf(listed)
	if err := s.receipt(s.Context(), receipter, "a message that was read", ids[0]); err != nil {
		s.breaks(ruleReceipt, "Retrieved of a message that was read failed: %v", err)
	}
	for i := 1; i < len(ids); i++ {
		octets, err := read(s.Context(), box, ids[i], mailbox.OpenOptions{})
		if err != nil || canonical(octets) != bodies[i] {
			s.breaks(ruleReceipt, "after a receipt for another message a message comes with %s, and %v", difference(canonical(octets), bodies[i]), err)
		}
	}
	_ = s.receipt(s.ended(), receipter, "a message, with a context that has ended,", ids[0])
	for _, id := range strangeIDs() { // any error, or none
		_ = s.receipt(s.Context(), receipter, "an ID that no message has", id)
	}
	for _, id := range idsOf(s.list(stranger)) {
		if !slices.Contains(ids, id) {
			_ = s.receipt(s.Context(), receipter, "a message of another user", id)
		}
	}
	box.outlives("Retrieved", ids[2], bodies[2])
	box.delete(ids[0], ids[1])
	_ = s.receipt(s.Context(), receipter, "a message that is removed", ids[1])
	box.close()

	after := s.expect(ruleReceipt, user, "after receipts, with the first two of three messages deleted,", bodies[2])
	if !sameListing(after, listed[2:]) {
		s.breaks(ruleReceipt, "receipts for other messages changed how a message is listed")
	}
	s.expect(ruleReceipt, stranger, "after receipts of another user", foreign...)
}

// receipt calls Retrieved, which must not panic.
func (s *suite) receipt(ctx context.Context, receipter mailbox.Receipter, what, id string) (err error) {
	s.Helper()
	var panicked any
	func() {
		defer func() { panicked = recover() }()
		err = receipter.Retrieved(ctx, id)
	}()
	if panicked != nil {
		s.breaks(ruleReceipt, "Retrieved of %s panics: %v", what, panicked)
	}
	return err
}
