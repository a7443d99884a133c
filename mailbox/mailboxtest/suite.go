package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// suite is one check at work on one store.
type suite struct {
	testing.TB
	Harness
	domain  string   // of the users of this check; no other check uses it
	skipped []string // what this check did not check, and why
}

// breaks ends the check: one sentence, on one line, and the rule.
func (s *suite) breaks(r rule, format string, args ...any) {
	s.Helper()
	s.Fatalf("%s (rule: %s)", oneLine(fmt.Sprintf(format, args...)), r)
}

// skip ends a check that the store or the harness makes impossible.
func (s *suite) skip(reason string) {
	s.Helper()
	s.skipped = append(s.skipped, oneLine(reason))
	s.Skip(reason)
}

// unsupported notes a part of a check that is left out, while the others go on.
func (s *suite) unsupported(what string, err error) {
	s.Helper()
	reason := oneLine(fmt.Sprintf("%s: %v", what, err))
	s.skipped = append(s.skipped, reason)
	s.Log("left out: " + reason)
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// user is a user that no other check knows.
func (s *suite) user(name string) string { return name + "@" + s.domain }

// appender returns the store as an Appender, or skips the check if it is none.
func (s *suite) appender() mailbox.Appender {
	s.Helper()
	appender, ok := s.Store.(mailbox.Appender)
	if !ok {
		s.skip("the store is no mailbox.Appender")
	}
	return appender
}

// deliver delivers one ordinary message to one user, and expects to succeed.
func (s *suite) deliver(user, body string) {
	s.Helper()
	err := s.tryDeliver(s.Context(), user, strings.NewReader(body))
	s.taken(ruleWhole, fmt.Sprintf("a delivery of %d octets to %q", len(body), user), err)
}

// taken expects that an ordinary delivery succeeded.
func (s *suite) taken(r rule, what string, err error) {
	s.Helper()
	if errors.Is(err, errors.ErrUnsupported) {
		r = ruleOrdinary
	}
	if err != nil {
		s.breaks(r, "%s failed: %v", what, err)
	}
}

func (s *suite) tryDeliver(ctx context.Context, user string, body io.Reader) error {
	if s.Deliver != nil {
		return s.Deliver(ctx, user, body)
	}
	appender, ok := s.Store.(mailbox.Appender)
	if !ok {
		return errors.New("the harness has neither Deliver nor a Store that is a mailbox.Appender")
	}
	_, err := mailbox.Deliver(ctx, appender, mailbox.To(user), body)
	return err
}

// tryAppend delivers to all users if the store is an Appender, and otherwise to
// the first one.
func (s *suite) tryAppend(ctx context.Context, body io.Reader, users ...string) ([]mailbox.Result, error) {
	if appender, ok := s.Store.(mailbox.Appender); ok {
		return appender.Append(ctx, mailbox.To(users...), body)
	}
	if err := s.tryDeliver(ctx, users[0], body); err != nil {
		return nil, err
	}
	return make([]mailbox.Result, 1), nil
}

// append delivers to all recipients, and expects to succeed for each of them.
func (s *suite) append(delivery mailbox.Delivery, body string) []mailbox.Message {
	s.Helper()
	results, err := s.appender().Append(s.Context(), delivery, strings.NewReader(body))
	s.supports(delivery, results, err)
	if err != nil {
		s.breaks(ruleResults, "Append failed: %v", err)
	}
	if len(results) != len(delivery.Recipients) {
		s.breaks(ruleResults, "Append returned %d results for %d recipients", len(results), len(delivery.Recipients))
	}
	messages := make([]mailbox.Message, len(results))
	for i, result := range results {
		if result.Err != nil {
			s.breaks(ruleResults, "Append failed for recipient %q: %v", delivery.Recipients[i].User, result.Err)
		}
		messages[i] = result.Message
	}
	return messages
}

// supports skips the check if the store cannot do what a delivery asks for in
// addition to one message for one user.
func (s *suite) supports(delivery mailbox.Delivery, results []mailbox.Result, err error) {
	s.Helper()
	err = outcome(results, err)
	if !errors.Is(err, errors.ErrUnsupported) {
		return
	}
	var extra []string
	if n := len(delivery.Recipients); n > 1 {
		extra = append(extra, fmt.Sprintf("%d recipients", n))
	}
	if slices.ContainsFunc(delivery.Recipients, func(r mailbox.Recipient) bool { return r.Header != "" }) {
		extra = append(extra, "a recipient's own header")
	}
	if delivery.UIDL != "" {
		extra = append(extra, "a foreign UIDL")
	}
	if extra == nil {
		s.taken(ruleOrdinary, "Append for one recipient", err)
	}
	s.skip(fmt.Sprintf("a delivery with %s: %v", strings.Join(extra, " and "), err))
}

// outcome returns all errors of an Append.
func outcome(results []mailbox.Result, err error) error {
	for _, result := range results {
		err = errors.Join(err, result.Err)
	}
	return err
}

// appendOne delivers to one user, with a foreign unique-id or "".
func (s *suite) appendOne(user, uidl, body string) mailbox.Message {
	s.Helper()
	delivery := mailbox.To(user)
	delivery.UIDL = uidl
	return s.append(delivery, body)[0]
}

// fill delivers n messages that differ, one after the other.
func (s *suite) fill(user string, n int) (bodies []string) {
	s.Helper()
	for i := range n {
		body := mail(fmt.Sprintf("message %d of %d", i+1, n), text(40+i))
		s.deliver(user, body)
		bodies = append(bodies, body)
	}
	return bodies
}

// session is an open mailbox.
type session struct {
	mailbox.Mailbox
	*suite
	user   string
	closed bool
}

// login returns the login of a user.
func (s *suite) login(user string) mailbox.Login {
	if s.Login != nil {
		return s.Login(user)
	}
	return mailbox.Login{User: user, Mechanism: "USER"}
}

// open opens a session. The check may leave it open.
func (s *suite) open(user string) *session {
	s.Helper()
	box, err := s.Store.Open(s.Context(), s.login(user))
	if err != nil {
		s.breaks(ruleEmpty, "Store.Open for %q failed: %v", user, err)
	}
	opened := &session{Mailbox: box, suite: s, user: user}
	s.Cleanup(opened.close)
	return opened
}

// second opens another session while one is open, or skips the check if the
// store allows only one.
func (s *suite) second(user string) *session {
	s.Helper()
	box, err := s.Store.Open(s.Context(), s.login(user))
	if errors.Is(err, mailbox.ErrInUse) {
		s.skip("the store allows one session at a time")
	}
	if err != nil {
		s.breaks(ruleSessions, "Store.Open of a second session failed: %v", err)
	}
	opened := &session{Mailbox: box, suite: s, user: user}
	s.Cleanup(opened.close)
	return opened
}

func (s *session) close() {
	if s.closed {
		return
	}
	s.closed = true
	if err := s.Mailbox.Close(); err != nil {
		s.Errorf("Mailbox.Close failed: %v (rule: %s)", err, ruleClose)
	}
}

// list lists the mailbox.
func (s *session) list() []mailbox.Message {
	s.Helper()
	messages, err := mailbox.List(s.Context(), s.Mailbox)
	if err != nil {
		s.breaks(ruleWhole, "the listing failed: %v", err)
	}
	return messages
}

// read returns the canonical form of a message.
func (s *session) read(id string) string {
	s.Helper()
	octets, err := read(s.Context(), s.Mailbox, id, mailbox.OpenOptions{})
	if err != nil {
		s.breaks(ruleOctets, "the message %q is listed but cannot be read: %v", id, err)
	}
	return canonical(octets)
}

// delete deletes messages, and expects to succeed.
func (s *session) delete(ids ...string) {
	s.Helper()
	if err := s.Delete(s.Context(), ids); err != nil {
		s.breaks(ruleDelete, "Delete of %d messages failed: %v", len(ids), err)
	}
}

// list lists the mailbox of user in a session of its own.
func (s *suite) list(user string) []mailbox.Message {
	s.Helper()
	box := s.open(user)
	defer box.close()
	return box.list()
}

// delete deletes messages of user in a session of its own.
func (s *suite) delete(user string, ids ...string) {
	s.Helper()
	box := s.open(user)
	defer box.close()
	box.delete(ids...)
}

// expect compares a mailbox with the bodies that it should hold, oldest first,
// in a session of its own, and returns the listing.
func (s *suite) expect(r rule, user, when string, bodies ...string) []mailbox.Message {
	s.Helper()
	box := s.open(user)
	defer box.close()
	return box.expect(r, when, bodies...)
}

func (s *session) expect(r rule, when string, bodies ...string) []mailbox.Message {
	s.Helper()
	messages := s.list()
	if len(messages) != len(bodies) {
		s.breaks(r, "%s the listing has %d messages, not %d", when, len(messages), len(bodies))
	}
	wanted := make(map[string]int, len(bodies))
	for i, body := range bodies {
		wanted[canonical([]byte(body))] = i
	}
	for i, m := range messages {
		octets := s.read(m.ID)
		if octets == canonical([]byte(bodies[i])) {
			continue
		}
		if place, known := wanted[octets]; known {
			s.breaks(r, "%s the message at place %d of the listing is the one that belongs at place %d", when, i+1, place+1)
		}
		s.breaks(r, "%s the message at place %d of the listing has other octets than were delivered: %s",
			when, i+1, difference(octets, canonical([]byte(bodies[i]))))
	}
	return messages
}

// closeStore closes the store. It may be called again.
func (s *suite) closeStore() {
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	if err := s.Store.Close(ctx); err != nil && !errors.Is(err, mailbox.ErrClosed) {
		s.Errorf("Store.Close failed: %v (rule: %s)", err, ruleDrain)
	}
}

// read returns the octets of a message as Open does. [mailbox.ReadMessage]
// would make them canonical.
func read(ctx context.Context, box mailbox.Mailbox, id string, options mailbox.OpenOptions) (octets []byte, err error) {
	body, err := box.Open(ctx, id, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return io.ReadAll(body)
}

// same reports whether two listings of a message agree. A size may become known.
func same(a, b mailbox.Message) bool {
	return a.ID == b.ID && mailbox.UIDL(a) == mailbox.UIDL(b) && (a.Size == b.Size || a.Size < 0 || b.Size < 0)
}

func sameListing(a, b []mailbox.Message) bool { return slices.EqualFunc(a, b, same) }

// canonical is the form that POP3 sends.
func canonical(octets []byte) string {
	form, err := io.ReadAll(mailbox.NewCanonicalReader(bytes.NewReader(octets)))
	if err != nil {
		panic(err) // a bytes.Reader does not fail
	}
	return string(form)
}

// difference says how got differs from want, for messages that are too long to
// print.
func difference(got, want string) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	around := func(text string) string {
		return text[max(0, min(at-8, len(text))):min(at+8, len(text))]
	}
	return fmt.Sprintf("%d octets instead of %d, different from octet %d on, %q instead of %q",
		len(got), len(want), at, around(got), around(want))
}

// promptly runs f in a goroutine of its own and reports whether it returned in
// time. Only then may the caller read what f has written.
func (s *suite) promptly(f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
