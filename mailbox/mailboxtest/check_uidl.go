package mailboxtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// uidls returns the unique-ids that clients see.
func uidls(messages []mailbox.Message) []string {
	shown := make([]string, len(messages))
	for i, m := range messages {
		shown[i] = mailbox.UIDL(m)
	}
	return shown
}

// distinct checks the IDs and unique-ids of one listing.
func (s *suite) distinct(messages []mailbox.Message) {
	s.Helper()
	ids, shown := make(map[string]bool), make(map[string]bool)
	for i, m := range messages {
		switch uidl := mailbox.UIDL(m); {
		case m.ID == "":
			s.breaks(ruleID, "the message at place %d of the listing has no ID", i+1)
		case ids[m.ID]:
			s.breaks(ruleID, "the ID %q is listed twice", m.ID)
		case m.UIDL != "" && !mailbox.ValidUIDL(m.UIDL):
			s.breaks(ruleLegal, "the UIDL %q is listed", m.UIDL)
		case shown[uidl]:
			s.breaks(ruleUIDL, "two messages show the UIDL %q", uidl)
		default:
			ids[m.ID], shown[uidl] = true, true
		}
	}
}

func idsAndUIDLs(s *suite) {
	user := s.user("bob")
	s.fill(user, 10)
	for range 3 {
		s.deliver(user, mail("the same")) // a digest of the octets is no identity
	}
	first := s.list(user)
	s.distinct(first)

	if again := s.list(user); !slices.Equal(uidls(again), uidls(first)) {
		s.breaks(ruleUIDL, "the UIDLs of a second session differ from those of the first")
	}
	s.delete(user, first[0].ID, first[5].ID)
	s.fill(user, 3)
	later := s.list(user)
	s.distinct(later)
	kept := slices.Concat(first[1:5], first[6:])
	if len(later) < len(kept) || !slices.Equal(uidls(later)[:len(kept)], uidls(kept)) {
		s.breaks(ruleUIDL, "a UIDL changed when other messages came and went")
	}
}

func idsAndUIDLsAreNeverReused(s *suite) {
	for _, kept := range []int{0, 1} { // in a mailbox that gets empty, and in one that does not
		user := s.user(fmt.Sprintf("bob%d", kept))
		s.fill(user, kept)
		ids, shown := make(map[string]bool), make(map[string]bool)
		for range 5 {
			s.deliver(user, mail("the same"))
			listed := s.list(user)
			s.distinct(listed)
			if len(listed) != kept+1 {
				s.breaks(ruleWhole, "%d messages are listed instead of %d", len(listed), kept+1)
			}
			newest := listed[kept]
			if ids[newest.ID] {
				s.breaks(ruleID, "the ID %q of a deleted message was given to another one", newest.ID)
			}
			if shown[mailbox.UIDL(newest)] {
				s.breaks(ruleUIDL, "the UIDL %q of a deleted message is shown by another one", mailbox.UIDL(newest))
			}
			ids[newest.ID], shown[mailbox.UIDL(newest)] = true, true
			s.delete(user, newest.ID)
		}
	}
}

// showsUIDL expects that a message shows a unique-id, in its Result and in the
// listing.
func (s *suite) showsUIDL(user string, result mailbox.Message, what, want string) {
	s.Helper()
	if got := mailbox.UIDL(result); got != want {
		s.breaks(ruleForeign, "%s shows the UIDL %q in the result of Append, not %q", what, got, want)
	}
	listed := s.list(user)
	s.distinct(listed)
	for _, m := range listed {
		if m.ID != result.ID {
			continue
		}
		if got := mailbox.UIDL(m); got != want {
			s.breaks(ruleForeign, "%s shows the UIDL %q in the listing, not %q", what, got, want)
		}
		return
	}
	s.breaks(ruleWhole, "%s is not listed under the ID of its result", what)
}

// derived is the unique-id that a message shows if it has none of its own.
func derived(m mailbox.Message) string { return mailbox.UIDL(mailbox.Message{ID: m.ID}) }

func foreignUIDL(s *suite) {
	s.appender()
	user := s.user("bob")
	legal := []string{"whqtswO00WBw418f9t5JxYwZ", "1", "!", "~", "a/b", "..", strings.Repeat("x", mailbox.MaxUIDLLength), "UPPER", "upper", "a:2,S", "%s", "'"}
	for i, uidl := range legal {
		m := s.appendOne(user, uidl, mail(fmt.Sprintf("legal %d", i)))
		s.showsUIDL(user, m, fmt.Sprintf("a message delivered with the UIDL %q", uidl), uidl)
	}
	illegal := []string{" ", "a b", "a\x00b", "a\r\nb", "\x7f", "h\u00e9llo", "\xff", strings.Repeat("x", mailbox.MaxUIDLLength+1), strings.Repeat("long ", 1000)}
	for i, uidl := range illegal {
		m := s.appendOne(user, uidl, mail(fmt.Sprintf("illegal %d", i)))
		s.showsUIDL(user, m, fmt.Sprintf("a message delivered with the illegal UIDL %.20q", uidl), mailbox.SafeUIDL(uidl))
	}
	want := make([]string, 0, len(legal)+len(illegal))
	for _, uidl := range slices.Concat(legal, illegal) {
		want = append(want, mailbox.SafeUIDL(uidl))
	}
	if got := uidls(s.list(user)); !slices.Equal(got, want) {
		s.breaks(ruleForeign, "the foreign UIDLs of a mailbox changed when other messages came")
	}
}

func foreignUIDLTwice(s *suite) {
	s.appender()
	user := s.user("bob")
	native := s.appendOne(user, "", mail("native"))
	for _, uidl := range []string{"foreign", "not legal", mailbox.UIDL(native)} {
		holder := native
		if uidl != mailbox.UIDL(native) {
			holder = s.appendOne(user, uidl, mail("the first"))
			s.showsUIDL(user, holder, fmt.Sprintf("the first message with the UIDL %q", uidl), mailbox.SafeUIDL(uidl))
		}
		second := s.appendOne(user, uidl, mail("the second"))
		s.showsUIDL(user, second, "a message whose foreign UIDL another one shows already", derived(second))
		s.showsUIDL(user, holder, "a message whose UIDL came a second time", mailbox.SafeUIDL(uidl))

		s.delete(user, holder.ID)
		s.showsUIDL(user, second, "a message whose foreign UIDL was dropped, after the first holder was deleted", derived(second))
	}
}

func foreignUIDLPerMailbox(s *suite) {
	alice, bob := s.user("alice"), s.user("bob")
	delivery := mailbox.To(alice, bob)
	delivery.UIDL = "foreign"
	for i, m := range s.append(delivery, mail("to both")) {
		s.showsUIDL([]string{alice, bob}[i], m, "a message with a foreign UIDL that went to two mailboxes", "foreign")
	}
}
