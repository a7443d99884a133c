package mailboxtest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing/iotest"

	"github.com/popcask/popcask/mailbox"
)

func severalRecipients(s *suite) {
	users := []string{s.user("alice"), s.user("bob"), s.user("Carol")}
	headers := []string{"", "Delivered-To: bob\r\n", "Return-Path: <x>\r\nDelivered-To: carol\r\n"}
	delivery := mailbox.To(users...)
	for i, header := range headers {
		delivery.Recipients[i].Header = header
	}
	body := large("to three")
	results := s.append(delivery, body)
	for i, user := range users {
		listed := s.expect(ruleHeader, user, fmt.Sprintf("for recipient %d of three", i+1), headers[i]+body)
		if results[i].ID != listed[0].ID {
			s.breaks(ruleResults, "result %d has the ID %q, and the listing has %q", i+1, results[i].ID, listed[0].ID)
		}
		if mailbox.UIDL(results[i]) != mailbox.UIDL(listed[0]) {
			s.breaks(ruleResults, "result %d has the UIDL %q, and the listing has %q", i+1, mailbox.UIDL(results[i]), mailbox.UIDL(listed[0]))
		}
		size := int64(len(canonical([]byte(headers[i] + body))))
		for _, m := range []mailbox.Message{results[i], listed[0]} {
			if m.Size >= 0 && m.Size != size {
				s.breaks(ruleSize, "a message of %d octets, the recipient's own header among them, has the size %d in its result and %d in the listing", size, results[i].Size, listed[0].Size)
			}
		}
	}
	s.delete(users[0], results[0].ID)
	s.expect(ruleDelete, users[0], "after deleting it")
	s.expect(ruleOwn, users[1], "after another recipient deleted the message", headers[1]+body)
	s.expect(ruleOwn, users[2], "after another recipient deleted the message", headers[2]+body)
}

func sameRecipientTwice(s *suite) {
	user := s.user("bob")
	results := s.append(mailbox.Delivery{Recipients: []mailbox.Recipient{
		{User: user, Header: "X-Copy: 1\r\n"}, {User: strings.ToUpper(user), Header: "X-Copy: 2\r\n"},
	}}, mail("twice"))
	listed := s.list(user)
	s.distinct(listed)
	for i, result := range results {
		if !slices.Contains(idsOf(listed), result.ID) {
			s.breaks(ruleResults, "one of the two copies for one user was acknowledged (result %d) and is not listed", i+1)
		}
	}
	if len(listed) != len(results) {
		s.breaks(ruleResults, "a delivery with one user named twice was acknowledged twice, and the listing has %d messages", len(listed))
	}
}

func recipientsFailOnTheirOwn(s *suite) {
	bob, eve := s.user("bob"), s.user("eve")
	delivery := mailbox.To("\x00", bob, "", eve)
	results, err := s.appender().Append(s.Context(), delivery, strings.NewReader(mail("to some")))
	s.supports(delivery, results, err)
	if err != nil {
		s.breaks(ruleResults, "names that no user can have made the delivery fail for all: %v", err)
	}
	if len(results) != 4 {
		s.breaks(ruleResults, "Append returned %d results for four recipients", len(results))
	}
	for _, i := range []int{0, 2} {
		if !errors.Is(results[i].Err, mailbox.ErrNoSuchUser) {
			s.breaks(ruleImpossible, "the result for a name that no user can have is %v", results[i].Err)
		}
		if results[i].Message != (mailbox.Message{}) {
			s.breaks(ruleResults, "the result of a recipient who did not get the message has the message set")
		}
	}
	for i, user := range map[int]string{1: bob, 3: eve} {
		if results[i].Err != nil {
			s.breaks(ruleResults, "a recipient failed because no user can have the names of others: %v", results[i].Err)
		}
		s.expect(ruleResults, user, "beside recipients that failed", mail("to some"))
	}
}

func bodyThatFails(s *suite) {
	bob, eve := s.user("bob"), s.user("eve")
	s.deliver(bob, mail("before"))
	cause := errors.New("the line broke")
	whole := sized("broken", 1<<20)
	for _, octets := range []int{0, 1, 100, 4 << 10, 64 << 10, 300 << 10, 1 << 20} {
		text := whole[:octets]
		for name, body := range map[string]io.Reader{
			"an error":               io.MultiReader(strings.NewReader(text), iotest.ErrReader(cause)),
			"an error beside octets": errorBesideOctets{strings.NewReader(text), cause},
			"io.ErrUnexpectedEOF":    io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)),
		} {
			results, err := s.tryAppend(s.Context(), body, bob, eve)
			if err == nil {
				s.breaks(ruleBody, "a delivery returned nil for a body that ended with %s after %d octets", name, octets)
			}
			if results != nil {
				s.breaks(ruleBody, "Append returned results beside the error for a body that ended with %s after %d octets", name, octets)
			}
		}
		s.expect(ruleBody, bob, fmt.Sprintf("after a body that failed after %d octets", octets), mail("before"))
		s.expect(ruleBody, eve, fmt.Sprintf("after a body that failed after %d octets", octets))
	}
	s.deliver(bob, mail("after"))
	s.expect(ruleBody, bob, "after bodies that failed", mail("before"), mail("after"))
}

// errorBesideOctets is a reader that returns its error together with the last
// octets.
type errorBesideOctets struct {
	octets *strings.Reader
	err    error
}

func (r errorBesideOctets) Read(p []byte) (int, error) {
	n, _ := r.octets.Read(p)
	if r.octets.Len() == 0 {
		return n, r.err
	}
	return n, nil
}

// nothingIsVisibleBeforeItIsComplete lists the mailbox while the store reads
// the body of a delivery.
func nothingIsVisibleBeforeItIsComplete(s *suite) {
	user := s.user("bob")
	s.deliver(user, mail("before"))

	var listed []mailbox.Message
	var listErr error
	prompt, looked, ended := true, false, false
	look := func() {
		looked = true
		prompt = s.promptly(func() {
			var box mailbox.Mailbox
			if box, listErr = s.Store.Open(s.Context(), s.login(user)); listErr == nil {
				listed, listErr = mailbox.List(s.Context(), box)
				listErr = errors.Join(listErr, box.Close())
			}
		})
	}
	slow := large("slow")
	body := io.MultiReader(strings.NewReader(slow), readerFunc(func([]byte) (int, error) {
		look()
		ended = true
		return 0, io.EOF
	}))
	err := s.tryDeliver(s.Context(), user, body)
	switch {
	case err != nil:
		s.breaks(ruleWhole, "a delivery failed during which the mailbox was listed: %v", err)
	case !looked || !ended:
		s.breaks(ruleBody, "a delivery did not read the body to its end")
	case !prompt:
		s.breaks(ruleInvisible, "a delivery whose body comes slowly holds up a session on the mailbox")
	case errors.Is(listErr, mailbox.ErrInUse):
	case listErr != nil:
		s.breaks(ruleInvisible, "a session during a delivery failed: %v", listErr)
	case len(listed) != 1:
		s.breaks(ruleInvisible, "before the body of a second message was read to its end the listing has %d messages", len(listed))
	}
	s.expect(ruleWhole, user, "after a delivery during which the mailbox was listed", mail("before"), slow)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
