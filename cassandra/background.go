package cassandra

import (
	"context"
	"fmt"
	"sync"
)

// repairs are the mailboxes that sessions found wanting. They are repaired one
// after the other, behind the sessions, without anything that needs a second
// look.
type repairs struct {
	store *Store

	mu      sync.Mutex
	waiting map[string]struct{}
	closed  bool
	cancel  context.CancelFunc // nil: no worker
	worker  sync.WaitGroup
}

// waitingRepairs bounds how many mailboxes may wait. One that finds no place is
// noticed again when somebody opens it.
const waitingRepairs = 1000

// want asks for the repair of a user's mailbox.
func (r *repairs) want(user string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.waiting) >= waitingRepairs {
		return
	}
	if r.waiting == nil {
		r.waiting = make(map[string]struct{})
	}
	r.waiting[user] = struct{}{}
	if r.cancel == nil {
		ctx, cancel := context.WithCancel(context.Background())
		r.cancel = cancel
		r.worker.Go(func() { r.work(ctx) })
	}
}

func (r *repairs) work(ctx context.Context) {
	for {
		user, ok := r.next(ctx)
		if !ok {
			return
		}
		report, err := r.store.Repair(ctx, user, RepairOptions{})
		if err != nil && ctx.Err() == nil {
			r.store.config.OnError(err)
			continue
		}
		for _, f := range report.Findings {
			if f.Err != nil {
				r.store.config.OnError(fmt.Errorf("cassandra: repair mailbox of %q: %s %s: %w", user, f.Kind, f.ID, f.Err))
			}
		}
	}
}

// next takes a mailbox, or ends the worker where none waits.
func (r *repairs) next(ctx context.Context) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for user := range r.waiting {
		if ctx.Err() != nil {
			break
		}
		delete(r.waiting, user)
		return user, true
	}
	r.cancel()
	r.cancel = nil
	return "", false
}

// close ends the repair under way; it may be run again at any time.
func (r *repairs) close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	clear(r.waiting)
	if r.cancel != nil {
		r.cancel()
	}
	r.mu.Unlock()
	return wait(ctx, &r.worker, "a repair")
}
