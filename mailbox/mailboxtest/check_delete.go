package mailboxtest

import (
	"errors"
	"io"
	"slices"

	"github.com/popcask/popcask/mailbox"
)

// gone expects that messages are neither listed nor readable.
func (s *suite) gone(user string, ids ...string) {
	s.Helper()
	box := s.open(user)
	defer box.close()
	for _, m := range box.list() {
		if slices.Contains(ids, m.ID) {
			s.breaks(ruleDelete, "the message %q was deleted in an earlier session and is still listed", m.ID)
		}
	}
	for _, id := range ids {
		if _, err := read(s.Context(), box, id, mailbox.OpenOptions{}); !errors.Is(err, mailbox.ErrNotFound) {
			s.breaks(ruleNotFound, "Open of a message that was deleted in an earlier session returned %v", err)
		}
	}
}

func idsOf(messages []mailbox.Message) []string {
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	return ids
}

func deleteBatch(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 7)
	ids := idsOf(s.list(user))
	if len(ids) != len(bodies) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(bodies), len(ids))
	}
	s.delete(user, ids[5], ids[0], ids[3]) // in any order
	s.gone(user, ids[5], ids[0], ids[3])
	s.expect(ruleDelete, user, "after three of seven messages were deleted", bodies[1], bodies[2], bodies[4], bodies[6])

	s.delete(user, ids...)
	s.gone(user, ids...)
	s.expect(ruleDelete, user, "after all messages were deleted")

	s.deliver(user, mail("a new one"))
	s.expect(ruleDelete, user, "after all messages were deleted and one came", mail("a new one"))
	s.gone(user, ids...)
}

func deleteAbsent(s *suite) {
	user := s.user("bob")
	succeed := func(what string, ids ...string) {
		s.Helper()
		box := s.open(user)
		defer box.close()
		if err := box.Delete(s.Context(), ids); err != nil {
			s.breaks(ruleDeleteAbsent, "Delete of %s failed: %v", what, err)
		}
	}
	succeed("unknown IDs in an empty mailbox", strangeIDs()...)

	bodies := s.fill(user, 4)
	ids := idsOf(s.list(user))
	if len(ids) != len(bodies) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(bodies), len(ids))
	}
	succeed("no IDs")
	succeed("unknown IDs", strangeIDs()...)
	succeed("an ID with something after it", ids[0]+"x", ids[0]+"\x00")
	s.expect(ruleDelete, user, "after unknown IDs were deleted", bodies...)

	succeed("one ID twice", ids[1], ids[1])
	succeed("IDs of which some are gone already and some unknown",
		slices.Concat(strangeIDs(), []string{ids[1], ids[2]}, strangeIDs())...)
	s.gone(user, ids[1], ids[2])
	s.expect(ruleDelete, user, "after IDs were deleted of which some were absent", bodies[0], bodies[3])
}

func deleteIsForTheOwnMailbox(s *suite) {
	alice, eve := s.user("alice"), s.user("eve")
	bodies := s.fill(alice, 3)
	mine := s.fill(eve, 1)
	own := idsOf(s.list(eve))
	foreign := slices.DeleteFunc(idsOf(s.list(alice)), func(id string) bool { return slices.Contains(own, id) })
	box := s.open(eve)
	if err := box.Delete(s.Context(), foreign); err != nil {
		s.breaks(ruleDeleteAbsent, "Delete of IDs that only another mailbox has failed: %v", err)
	}
	box.close()
	s.expect(ruleOwn, alice, "after another user deleted her messages by their IDs", bodies...)
	s.expect(ruleOwn, eve, "after deleting another user's messages", mine...)
}

func closeDeletesNothing(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 3)
	s.open(user).close() // without a listing

	box := s.open(user)
	before := box.expect(ruleWhole, "in the first session", bodies...)
	box.close()

	after := s.expect(ruleClose, user, "after a session that read everything and deleted nothing", bodies...)
	if !sameListing(before, after) {
		s.breaks(ruleClose, "a session that read everything and deleted nothing changed the listing")
	}
}

// judge checks a mailbox after a Delete of ids that returned err, which may be
// any error or nil: the outcome must be one that the rules allow. before is the
// listing before the Delete, and bodies are the messages in it.
func (s *suite) judge(user string, before []mailbox.Message, bodies []string, ids []string, err error) {
	s.Helper()
	var partial *mailbox.DeleteError
	if errors.As(err, &partial) {
		if len(partial.Failed) == 0 {
			s.breaks(ruleDeleteError, "a DeleteError names no message")
		}
		for id, cause := range partial.Failed {
			if cause == nil {
				s.breaks(ruleDeleteError, "a DeleteError has no cause for the message %q", id)
			}
			if !slices.Contains(ids, id) {
				s.breaks(ruleDeleteError, "a DeleteError names the message %q, which was not to be deleted", id)
			}
		}
	}
	box := s.open(user)
	defer box.close()
	listed := idsOf(box.list())
	for i, m := range before {
		there := slices.Contains(listed, m.ID)
		octets, openErr := read(s.Context(), box, m.ID, mailbox.OpenOptions{})
		switch {
		case there && openErr != nil:
			s.breaks(ruleDeleteWhole, "after a Delete that returned %v a message is listed but cannot be read: %v", err, openErr)
		case there && canonical(octets) != canonical([]byte(bodies[i])):
			s.breaks(ruleDeleteWhole, "after a Delete that returned %v a message comes with other octets", err)
		case !there && !errors.Is(openErr, mailbox.ErrNotFound):
			s.breaks(ruleDeleteWhole, "after a Delete that returned %v a message is not listed, and Open returned %v for it", err, openErr)
		}
		switch wanted := slices.Contains(ids, m.ID); {
		case !wanted && !there:
			s.breaks(ruleDelete, "after a Delete that returned %v a message is gone that was not to be deleted", err)
		case wanted && there && err == nil:
			s.breaks(ruleDelete, "a message is listed after its Delete returned nil")
		case wanted && there && partial != nil && partial.Failed[m.ID] == nil:
			s.breaks(ruleDeleteError, "a message is listed after its Delete returned a DeleteError that does not name it")
		}
	}
}

func twoSessionsLoseNothing(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 5)
	one := s.open(user)
	ids := idsOf(one.list())
	two := s.second(user)
	two.expect(ruleSessions, "in a second session", bodies...)

	s.deliver(user, mail("came meanwhile"))
	one.delete(ids[0], ids[1])
	two.delete(ids[1], ids[2]) // one of them is gone already: a success
	one.close()
	two.close()
	s.gone(user, ids[0], ids[1], ids[2])
	s.expect(ruleSessions, user, "after two sessions deleted three messages of five and one came meanwhile",
		bodies[3], bodies[4], mail("came meanwhile"))
}

func twoSessionsOneMessage(s *suite) {
	user := s.user("bob")
	bodies := []string{mail("small"), large("large")}
	s.deliver(user, bodies[0])
	s.deliver(user, bodies[1])
	one := s.open(user)
	ids := idsOf(one.list())
	two := s.second(user)
	two.list()
	two.delete(ids...)

	for i, want := range bodies {
		body, err := one.Open(s.Context(), ids[i], mailbox.OpenOptions{})
		if err != nil {
			if !errors.Is(err, mailbox.ErrNotFound) {
				s.breaks(ruleNotFound, "Open of a message that another session deleted returned %v", err)
			}
			continue
		}
		octets, err := io.ReadAll(body)
		body.Close()
		if err == nil && canonical(octets) != want { // with an error it breaks off, and the client knows
			s.breaks(ruleSessions, "a message that another session deleted comes with %s", difference(canonical(octets), want))
		}
	}
}
