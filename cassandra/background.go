package cassandra

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// background works on mailboxes in the background, several at a time, in the
// order in which they were first wanted. A mailbox is queued once, even if it
// is wanted several times.
type background struct {
	name   string // for errors: what the work is
	work   func(context.Context, job)
	atOnce int // mailboxes

	mu         sync.Mutex
	waiting    []job
	remembered map[string]job // the work has failed, and waits for the next session
	dropped    int            // mailboxes that found no place
	closed     bool
	ctx        context.Context // of the workers; nil before the first one
	cancel     context.CancelFunc
	running    int
	workers    sync.WaitGroup
}

// job is what is to be done about a mailbox.
type job struct {
	user    string
	weight  float64     // of a removal: see weight
	buckets []int64     // from which messages were removed
	ids     []MessageID // that are to be repaired
}

// join adds another job of the same mailbox.
func (j *job) join(other job) {
	j.weight = max(j.weight, other.weight)
	j.buckets = append(j.buckets, other.buckets...)
	slices.Sort(j.buckets)
	j.buckets = slices.Compact(j.buckets)
	j.ids = append(j.ids, other.ids...)
	slices.SortFunc(j.ids, MessageID.Compare)
	j.ids = slices.Compact(j.ids)
	j.ids = j.ids[:min(len(j.ids), waitingMessages)]
}

// waitingMailboxes is how many mailboxes may wait, and how many are remembered.
// One that finds no place is wanted again when it is used again.
const waitingMailboxes = 10_000

// waitingMessages is how many messages of one mailbox may wait for a repair. The
// others are left to a repair of everything.
const waitingMessages = 1000

// want queues a job.
func (b *background) want(j job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if i := slices.IndexFunc(b.waiting, func(w job) bool { return w.user == j.user }); i >= 0 {
		b.waiting[i].join(j)
		return
	}
	if len(b.waiting) >= waitingMailboxes {
		b.dropped++
		return
	}
	b.waiting = append(b.waiting, j)
	if b.running == cmp.Or(b.atOnce, 1) {
		return
	}
	if b.ctx == nil {
		b.ctx, b.cancel = context.WithCancel(context.Background())
	}
	b.running++
	b.workers.Go(func() {
		for j, ok := b.next(); ok; j, ok = b.next() {
			b.work(b.ctx, j)
		}
	})
}

// remember keeps a job that has failed. It is queued again by the next session,
// since another try at once would most likely fail too.
func (b *background) remember(j job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	before, ok := b.remembered[j.user]
	if !ok && len(b.remembered) >= waitingMailboxes {
		b.dropped++
		return
	}
	if b.remembered == nil {
		b.remembered = make(map[string]job)
	}
	before.user = j.user
	before.join(j)
	b.remembered[j.user] = before
}

// remind queues a mailbox again if it is remembered. It is called when a
// session opens the mailbox.
func (b *background) remind(user string) {
	b.mu.Lock()
	j, ok := b.remembered[user]
	delete(b.remembered, user)
	b.mu.Unlock()
	if ok {
		b.want(j)
	}
}

// next takes a mailbox from the queue. If none waits, the worker ends.
func (b *background) next() (job, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 {
		j := b.waiting[0]
		b.waiting = b.waiting[1:]
		return j, true
	}
	b.running--
	return job{}, false
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
	return wait(ctx, &b.workers, b.name)
}
