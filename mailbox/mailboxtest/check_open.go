package mailboxtest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// strangeIDs are IDs that no store gives to a message.
func strangeIDs() []string {
	return []string{
		"", "no-such-message", "0", "-1", ".", "..", "../x", "a/b", "/etc/passwd", "\x00", "x\x00y", "\r\n", "\xff",
		"00000000-0000-0000-0000-000000000000", strings.Repeat("x", 5000),
	}
}

func openUnknown(s *suite) {
	user := s.user("bob")
	check := func(id, what string) {
		box := s.open(user)
		defer box.close()
		_, err := read(s.Context(), box, id, mailbox.OpenOptions{})
		if !errors.Is(err, mailbox.ErrNotFound) {
			s.breaks(ruleNotFound, "Open of %s returned %v", what, err)
		}
	}
	check("no-such-message", "an unknown ID in an empty mailbox")

	s.fill(user, 2)
	listed := s.list(user)
	for _, id := range append(strangeIDs(), listed[0].ID+"x", listed[0].ID[1:], " "+listed[0].ID) {
		check(id, "an ID that no message has")
	}
	s.delete(user, listed[0].ID)
	check(listed[0].ID, "a message that an earlier session deleted")
}

func openIsForTheOwnMailbox(s *suite) {
	alice, eve := s.user("alice"), s.user("eve")
	s.deliver(alice, mail("secret", "for Alice alone\r\n"))
	s.deliver(eve, mail("hello", "for Eve\r\n"))
	secret, own := s.list(alice)[0].ID, s.list(eve)[0].ID

	box := s.open(eve)
	defer box.close()
	octets, err := read(s.Context(), box, secret, mailbox.OpenOptions{})
	switch {
	case secret == own:
		if strings.Contains(string(octets), "Alice") {
			s.breaks(ruleOwn, "Open reads the message of another user who has the same ID")
		}
	case err == nil:
		s.breaks(ruleOwn, "Open reads a message of another user's mailbox by its ID")
	case !errors.Is(err, mailbox.ErrNotFound):
		s.breaks(ruleNotFound, "Open of an ID from another mailbox returned %v", err)
	}
}

func topIsNeverLess(s *suite) {
	user := s.user("bob")
	forms := s.deliverForms(user, []form{
		{"an ordinary message", mail("hello", "one\r\ntwo\r\nthree\r\n")},
		{"empty lines in the body", mail("hello", "\r\n\r\none\r\n")},
		{"a long body", large("hello")},
	}, []form{
		{"bare LF line ends", "Subject: hello\nFrom: bob\n\none\ntwo\nthree\n"},
		{"no final line end", mail("hello", "one\r\ntwo")},
		{"a header without a body", "Subject: hello\r\nFrom: bob\r\n"},
		{"a header without its line end", "Subject: hello"},
		{"a body without a header", "\r\none\r\ntwo\r\n"},
		{"no octets at all", ""},
		{"a CR in an otherwise empty header line", "Subject: hello\r\n\r\r\n" + mail("hello", "one\r\n")},
		{"a very long header", strings.Repeat("X-Header: hello\r\n", 10_000) + mail("hello", "one\r\ntwo\r\n")},
		{"a very long line", mail("hello", strings.Repeat("long ", 60_000)+"\r\ntwo\r\n")},
	})
	box := s.open(user)
	defer box.close()
	listed := box.list()
	if len(listed) != len(forms) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(forms), len(listed))
	}
	for i, m := range listed {
		for _, lines := range []int{0, 1, 2, 100, 1 << 30} {
			octets, err := read(s.Context(), box, m.ID, mailbox.OpenOptions{For: mailbox.Top, Lines: lines})
			if err != nil {
				s.breaks(ruleTop, "Open for TOP with %d lines of a message with %s failed: %v", lines, forms[i].name, err)
			}
			got, want := top(octets, lines), top([]byte(forms[i].octets), lines)
			if got != want {
				s.breaks(ruleTop, "Open for TOP with %d lines of a message with %s leads to %s", lines, forms[i].name, difference(got, want))
			}
		}
		if got, want := box.read(m.ID), canonical([]byte(forms[i].octets)); got != want {
			s.breaks(ruleOctets, "after TOP the message with %s comes back with %s", forms[i].name, difference(got, want))
		}
	}
}

// top is what a server sends for TOP.
func top(octets []byte, lines int) string {
	cut, err := io.ReadAll(mailbox.NewTopReader(bytes.NewReader(octets), lines))
	if err != nil {
		panic(err) // a bytes.Reader does not fail
	}
	return canonical(cut)
}

func nextIsAdvice(s *suite) {
	user := s.user("bob")
	bodies := s.fill(user, 5)
	box := s.open(user)
	defer box.close()
	listed := box.list()
	if len(listed) != len(bodies) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(bodies), len(listed))
	}
	ids := strangeIDs()
	for _, m := range listed {
		ids = append(ids, m.ID, m.ID)
	}
	for i, m := range slices.Backward(listed) {
		returned := make(chan struct{})
		late := make(chan struct{}, 1)
		next := func(yield func(string) bool) {
			for _, id := range ids {
				select {
				case <-returned:
					select {
					case late <- struct{}{}:
					default:
					}
					return
				default:
				}
				if !yield(id) {
					return
				}
			}
		}
		body, err := box.Open(s.Context(), m.ID, mailbox.OpenOptions{Next: next})
		close(returned)
		if err != nil {
			s.breaks(ruleNext, "Open with advice about what comes next, unknown IDs among it, failed: %v", err)
		}
		octets, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			s.breaks(ruleNext, "reading a message that was opened with advice failed: %v", err)
		}
		if got, want := canonical(octets), canonical([]byte(bodies[i])); got != want {
			s.breaks(ruleNext, "a message that was opened with advice comes with %s", difference(got, want))
		}
		select {
		case <-late:
			s.breaks(ruleNext, "OpenOptions.Next was used after Open had returned")
		default:
		}
	}
}
