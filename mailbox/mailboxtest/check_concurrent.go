package mailboxtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/popcask/popcask/mailbox"
)

// concurrentDeliveriesAndSessions delivers, lists, reads and deletes at the same
// time. It finds most under the race detector.
func concurrentDeliveriesAndSessions(s *suite) {
	s.appender()
	const appenders, each = 6, 15
	w := &workout{suite: s, users: []string{s.user("alice"), s.user("bob")}, acknowledged: make(map[copyOf]string), deleted: make(map[copyOf]bool)}
	done := make(chan struct{})
	var appending, looking sync.WaitGroup
	for i := range appenders {
		appending.Go(func() {
			for j := range each {
				w.append(fmt.Sprintf("Subject: message %d of appender %d\r\n\r\n%s", j, i, strings.Repeat("x\r\n", 500*j)))
			}
		})
	}
	for _, user := range w.users {
		looking.Go(func() {
			for running := true; running; {
				select {
				case <-done:
					running = false // one last look, at everything
				default:
				}
				w.look(user)
			}
		})
	}
	appending.Wait()
	close(done)
	looking.Wait()

	if w.problem != "" {
		s.breaks(w.broken, "%s", w.problem)
	}
	total := 0
	for _, user := range w.users {
		listed := s.list(user)
		s.distinct(listed)
		total += len(listed)
		for _, m := range listed {
			if w.deleted[copyOf{user, m.ID}] {
				s.breaks(ruleDelete, "a message that was deleted while others were delivered is listed")
			}
		}
	}
	if want := len(w.users)*appenders*each - len(w.deleted); total != want {
		s.breaks(ruleWhole, "after %d concurrent deliveries and %d removals %d messages are listed, not %d", len(w.users)*appenders*each, len(w.deleted), total, want)
	}
}

// workout is what several goroutines know about two mailboxes.
type workout struct {
	*suite
	users []string

	mu           sync.Mutex
	acknowledged map[copyOf]string // the octets of messages that are not deleted
	deleted      map[copyOf]bool
	problem      string // the first one
	broken       rule
}

// copyOf is one user's copy of a message.
type copyOf struct{ user, id string }

// found keeps the first problem for the goroutine of the check, the only one
// that may end it.
func (w *workout) found(r rule, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.problem == "" {
		w.problem, w.broken = fmt.Sprintf(format, args...), r
	}
}

func (w *workout) append(body string) {
	results, err := w.Store.(mailbox.Appender).Append(w.Context(), mailbox.To(w.users...), strings.NewReader(body))
	if err != nil || len(results) != len(w.users) {
		w.found(ruleResults, "a delivery among concurrent ones failed: %v", err)
		return
	}
	for i, result := range results {
		if result.Err != nil {
			w.found(ruleResults, "a delivery among concurrent ones failed: %v", result.Err)
			continue
		}
		w.mu.Lock()
		w.acknowledged[copyOf{w.users[i], result.ID}] = canonical([]byte(body))
		w.mu.Unlock()
	}
}

// look opens a session and checks that it lists everything that was acknowledged
// before. It reads a message and may delete it.
func (w *workout) look(user string) {
	w.mu.Lock()
	before := make(map[string]bool)
	for key := range w.acknowledged {
		if key.user == user {
			before[key.id] = true
		}
	}
	w.mu.Unlock()

	ctx := w.Context()
	box, err := w.Store.Open(ctx, w.login(user))
	if errors.Is(err, mailbox.ErrInUse) {
		return
	}
	if err != nil {
		w.found(ruleEmpty, "a session among concurrent deliveries was refused: %v", err)
		return
	}
	defer func() {
		if err := box.Close(); err != nil {
			w.found(ruleClose, "a session among concurrent deliveries could not be closed: %v", err)
		}
	}()
	listed, err := mailbox.List(ctx, box)
	if err != nil {
		w.found(ruleWhole, "a listing among concurrent deliveries failed: %v", err)
		return
	}
	seen := make(map[string]bool)
	for _, m := range listed {
		if seen[m.ID] {
			w.found(ruleID, "a listing among concurrent deliveries has the ID %q twice", m.ID)
		}
		seen[m.ID] = true
		delete(before, m.ID)
	}
	for id := range before {
		w.found(ruleWhole, "the message %q was acknowledged before a session began, and the session does not list it", id)
	}
	if len(listed) > 0 {
		w.readAndDelete(ctx, box, user, listed[len(listed)/2].ID)
	}
}

func (w *workout) readAndDelete(ctx context.Context, box mailbox.Mailbox, user, id string) {
	key := copyOf{user, id}
	octets, err := read(ctx, box, id, mailbox.OpenOptions{})
	if err != nil {
		w.found(ruleOctets, "a message that was listed among concurrent deliveries cannot be read: %v", err)
		return
	}
	w.mu.Lock()
	want, known := w.acknowledged[key] // it may be listed a moment before Append returns
	w.mu.Unlock()
	if !known {
		return
	}
	if got := canonical(octets); got != want {
		w.found(ruleOctets, "a message among concurrent deliveries comes with %s", difference(got, want))
	}
	if strings.Count(want, "\n")%7 != 0 { // some stay
		return
	}
	if err := box.Delete(ctx, []string{id}); err != nil {
		w.found(ruleDelete, "a removal among concurrent deliveries failed: %v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.acknowledged, key)
	w.deleted[key] = true
}
