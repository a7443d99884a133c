package cassandra

import (
	"context"
	"sync"
)

// background does something for mailboxes, one after the other, behind the
// sessions. A mailbox that waits already is not queued twice.
type background struct {
	work func(ctx context.Context, user string)

	mu         sync.Mutex
	waiting    map[string]struct{}
	remembered map[string]struct{} // the work failed: until somebody opens them
	closed     bool
	cancel     context.CancelFunc // nil: no worker
	worker     sync.WaitGroup
}

// waitingMailboxes bounds how many mailboxes may wait, or be remembered. One that finds no place
// is noticed again when somebody uses it.
const waitingMailboxes = 1000

// want asks for a user's mailbox to be seen to.
func (b *background) want(user string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.waiting) >= waitingMailboxes {
		return
	}
	if b.waiting == nil {
		b.waiting = make(map[string]struct{})
	}
	b.waiting[user] = struct{}{}
	if b.cancel == nil {
		ctx, cancel := context.WithCancel(context.Background())
		b.cancel = cancel
		b.worker.Go(func() { b.run(ctx) })
	}
}

// remember keeps a mailbox in mind for which the work failed. Trying again at
// once would fail again, most likely.
func (b *background) remember(user string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.remembered) >= waitingMailboxes {
		return
	}
	if b.remembered == nil {
		b.remembered = make(map[string]struct{})
	}
	b.remembered[user] = struct{}{}
}

// remind asks again for a mailbox that is remembered, now that somebody opens
// it.
func (b *background) remind(user string) {
	b.mu.Lock()
	_, ok := b.remembered[user]
	delete(b.remembered, user)
	b.mu.Unlock()
	if ok {
		b.want(user)
	}
}

func (b *background) run(ctx context.Context) {
	for {
		user, ok := b.next()
		if !ok {
			return
		}
		b.work(ctx, user)
	}
}

// next takes a mailbox, or ends the worker where none waits.
func (b *background) next() (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for user := range b.waiting {
		delete(b.waiting, user)
		return user, true
	}
	b.cancel()
	b.cancel = nil
	return "", false
}

// close ends the work under way, which may be done again at any time.
func (b *background) close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	clear(b.waiting)
	if b.cancel != nil {
		b.cancel()
	}
	b.mu.Unlock()
	return wait(ctx, &b.worker, "work behind the sessions")
}
