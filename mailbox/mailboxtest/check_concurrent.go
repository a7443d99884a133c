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
	const appenders, each = 6, 15
	w := &workout{suite: s, acknowledged: make(map[copyOf]bool), deleted: make(map[copyOf]bool)}
	users := []string{s.user("alice"), s.user("bob")}
	done := make(chan struct{})
	var appending, looking sync.WaitGroup
	for i := range appenders {
		appending.Go(func() {
			for j := range each {
				w.deliver(users, sized(fmt.Sprintf("message %d of appender %d", j, i), 500+1500*j))
			}
		})
	}
	for _, user := range users {
		looking.Go(func() {
			known := make(map[string]string)
			for running := true; running; {
				select {
				case <-done:
					running = false // one last look, at everything
				default:
				}
				w.look(user, known)
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
	for _, user := range users {
		box := s.open(user)
		listed := box.list()
		s.distinct(listed)
		total += len(listed)
		for _, m := range listed {
			if w.deleted[copyOf{user, box.read(m.ID)}] {
				s.breaks(ruleDelete, "a message that was deleted while others were delivered is listed")
			}
		}
		box.close()
	}
	delivered := len(users) * appenders * each
	if want := delivered - len(w.deleted); total != want {
		s.breaks(ruleWhole, "after %d concurrent deliveries and %d removals %d messages are listed, not %d", delivered, len(w.deleted), total, want)
	}
}

// workout is what several goroutines know about two mailboxes.
type workout struct {
	*suite

	mu           sync.Mutex
	acknowledged map[copyOf]bool // and not deleted
	deleted      map[copyOf]bool
	problem      string // the first one
	broken       rule
}

// copyOf is one user's copy of a message. The octets of all messages differ.
type copyOf struct{ user, octets string }

// found keeps the first problem for the goroutine of the check, the only one
// that may end it.
func (w *workout) found(r rule, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.problem == "" {
		w.problem, w.broken = fmt.Sprintf(format, args...), r
	}
}

// deliver delivers a message to all users, in one call if the store can.
func (w *workout) deliver(users []string, body string) {
	if appender, ok := w.Store.(mailbox.Appender); ok {
		results, err := appender.Append(w.Context(), mailbox.To(users...), strings.NewReader(body))
		if !errors.Is(outcome(results, err), errors.ErrUnsupported) {
			w.deliveredAll(users, body, results, err)
			return
		}
	}
	for _, user := range users {
		w.delivered(user, body, w.tryDeliver(w.Context(), user, strings.NewReader(body)))
	}
}

func (w *workout) deliveredAll(users []string, body string, results []mailbox.Result, err error) {
	if err != nil || len(results) != len(users) {
		w.found(ruleResults, "a delivery among concurrent ones failed: %v", err)
		return
	}
	for i, result := range results {
		w.delivered(users[i], body, result.Err)
	}
}

func (w *workout) delivered(user, body string, err error) {
	if err != nil {
		r := ruleResults
		if errors.Is(err, errors.ErrUnsupported) {
			r = ruleOrdinary
		}
		w.found(r, "a delivery among concurrent ones failed: %v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acknowledged[copyOf{user, body}] = true
}

// look opens a session and checks that it lists everything that was acknowledged
// before. It reads what is new, and may delete a message. known are the octets
// of the messages that earlier looks have read, by their IDs.
func (w *workout) look(user string, known map[string]string) {
	w.mu.Lock()
	before := make(map[string]bool)
	for key := range w.acknowledged {
		if key.user == user {
			before[key.octets] = true
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
		if !w.read(ctx, box, m.ID, known) {
			return
		}
		delete(before, known[m.ID])
	}
	if len(before) > 0 {
		w.found(ruleWhole, "%d messages were acknowledged before a session began, and the session does not list them", len(before))
	}
	if len(listed) > 0 {
		w.delete(ctx, box, user, listed[len(listed)/2].ID, known)
	}
}

// read reads a message that was not read before, and reports whether it could.
func (w *workout) read(ctx context.Context, box mailbox.Mailbox, id string, known map[string]string) bool {
	if known[id] != "" {
		return true
	}
	octets, err := read(ctx, box, id, mailbox.OpenOptions{})
	if err != nil {
		w.found(ruleOctets, "a message that was listed among concurrent deliveries cannot be read: %v", err)
		return false
	}
	known[id] = canonical(octets)
	return true
}

// delete deletes some messages. It may be called a moment before the delivery
// has returned; then the message stays.
func (w *workout) delete(ctx context.Context, box mailbox.Mailbox, user, id string, known map[string]string) {
	key := copyOf{user, known[id]}
	w.mu.Lock()
	acknowledged := w.acknowledged[key]
	w.mu.Unlock()
	if !acknowledged || len(key.octets)%1000 != 0 {
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
