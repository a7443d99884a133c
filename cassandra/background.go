package cassandra

import (
	"context"
	"slices"
	"sync"
)

// background works on mailboxes in the background, one after the other, in the
// order in which they were first wanted. A mailbox is queued once, even if it
// is wanted several times.
type background struct {
	name string // for errors: what the work is
	work func(ctx context.Context, user string)

	mu         sync.Mutex
	waiting    []string            // users
	remembered map[string]struct{} // the work has failed, and waits for the next session
	closed     bool
	cancel     context.CancelFunc // of the worker; nil: there is none
	worker     sync.WaitGroup
}

// waitingMailboxes is how many mailboxes may wait, and how many are remembered.
// One that finds no place is wanted again when it is used again.
const waitingMailboxes = 1000

// want queues the mailbox of a user.
func (b *background) want(user string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.waiting) >= waitingMailboxes {
		return
	}
	if !slices.Contains(b.waiting, user) {
		b.waiting = append(b.waiting, user)
	}
	if b.cancel == nil {
		ctx, cancel := context.WithCancel(context.Background())
		b.cancel = cancel
		b.worker.Go(func() { b.run(ctx) })
	}
}

// remember keeps a mailbox whose work has failed. It is queued again by the
// next session, since another try at once would most likely fail too.
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

// remind queues a mailbox again if it is remembered. It is called when a
// session opens the mailbox.
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

// next takes a mailbox from the queue. If none waits, the worker ends.
func (b *background) next() (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 {
		user := b.waiting[0]
		b.waiting = b.waiting[1:]
		return user, true
	}
	b.cancel()
	b.cancel = nil
	return "", false
}

// close cancels the work that is under way, which can be done again at any
// time, and waits for its end.
func (b *background) close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.waiting = nil
	if b.cancel != nil {
		b.cancel()
	}
	b.mu.Unlock()
	return wait(ctx, &b.worker, b.name)
}
