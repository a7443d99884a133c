package mailboxtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/mailbox"
)

func emptyMailbox(s *suite) {
	user := s.user("never-got-mail")
	for range 2 { // the first session must not make the second fail
		box := s.open(user)
		if listed := box.list(); len(listed) != 0 {
			s.breaks(ruleEmpty, "the mailbox of a user who never got mail lists %d messages", len(listed))
		}
		if err := box.Delete(s.Context(), nil); err != nil {
			s.breaks(ruleDeleteAbsent, "Delete of no messages failed: %v", err)
		}
		box.close()
	}
}

func listingIsWholeAndOldestFirst(s *suite) {
	user := s.user("bob")
	n := 250
	if testing.Short() {
		n = 25
	}
	bodies := s.fill(user, n)
	if listed := s.list(user); len(listed) != n {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", n, len(listed))
	}
	first := s.expect(ruleOrder, user, "after deliveries one by one", bodies...)

	box := s.open(user)
	for i := range 2 {
		if again := box.list(); !sameListing(again, first) {
			s.breaks(ruleOrder, "listing number %d of one session differs from that of an earlier session, though nothing came or went", i+1)
		}
	}
	box.close()

	gone := []string{first[0].ID, first[n/2].ID, first[n-1].ID}
	s.delete(user, gone...)
	s.deliver(user, mail("the last one"))
	rest := slices.DeleteFunc(slices.Clone(first), func(m mailbox.Message) bool { return slices.Contains(gone, m.ID) })
	listed := s.list(user)
	if len(listed) != len(rest)+1 {
		s.breaks(ruleWhole, "after %d deliveries and %d removals the listing has %d messages", n+1, len(gone), len(listed))
	}
	if !sameListing(listed[:len(rest)], rest) {
		s.breaks(ruleOrder, "removals or a new delivery changed how the other messages are listed")
	}
}

func listingIsOrderedByDeliveryNotByDate(s *suite) {
	user := s.user("bob")
	appender, takes := s.Store.(mailbox.Appender)
	var bodies []string
	now := time.Now()
	for i := range 4 {
		delivery := mailbox.To(user)
		delivery.Received = now.Add(time.Duration(-i) * 24 * time.Hour)
		body := dated(delivery.Received.Format(time.RFC1123Z), fmt.Sprintf("message %d", i))
		bodies = append(bodies, body)
		if !takes {
			s.deliver(user, body)
			continue
		}
		_, err := mailbox.Deliver(s.Context(), appender, delivery, strings.NewReader(body))
		s.taken(ruleWhole, "Append", err)
	}
	s.expect(ruleOrder, user, "after deliveries with ever older dates", bodies...)
}

func listingMayBeLeftEarly(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 5)
	box := s.open(user)
	for places := range len(bodies) {
		seen := 0
		for _, err := range box.Messages(s.Context()) {
			if err != nil {
				s.breaks(ruleWhole, "the listing failed: %v", err)
			}
			if seen++; seen > places {
				break
			}
		}
	}
	listed := box.expect(ruleBreak, "after a listing that was left early", bodies...)
	for m, err := range box.Messages(s.Context()) {
		if err != nil || m.ID != listed[0].ID {
			s.breaks(ruleBreak, "after a listing that was left early another one begins with %q and error %v", m.ID, err)
		}
		break
	}
	box.close()
	s.expect(ruleBreak, user, "in a session after one that left its listing early", bodies...)
}
