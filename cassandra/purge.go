package cassandra

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// purge is the last step of the removal of some messages of a mailbox.
type purge struct {
	user    string
	mailbox MailboxID
	ids     []MessageID // at most batchSize
	wholly  bool        // all steps of the removal: for an attempt that failed
}

// purger deletes content and memberships in the background. Its queue is
// bounded: if it is full, add runs the purge itself. After a crash, or if the
// cluster does not accept a purge, a repair finishes the removal, since the
// marks are there.
type purger struct {
	store   *Store
	ctx     context.Context // ends when close has waited long enough
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // the queue is longer, or closed
	queue   []purge
	waiting int // messages in the queue
	closed  bool
}

func newPurger(s *Store) *purger {
	p := &purger{store: s}
	p.changed = sync.NewCond(&p.mu)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for range max(1, s.config.PurgeWorkers) {
		p.workers.Go(func() {
			for job, ok := p.next(); ok; job, ok = p.next() {
				p.do(job)
			}
		})
	}
	return p
}

// add queues a purge, or runs it if the queue is full. It holds no lock while
// it runs, which may take long: [purger.close] must not wait for that.
func (p *purger) add(job purge) {
	if !p.queued(job) {
		p.do(job)
	}
}

// queued queues a purge. It returns false if the queue is full or closed.
func (p *purger) queued(job purge) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.waiting + len(job.ids)
	if p.closed || len(p.queue) > 0 && waiting > p.store.config.PurgeQueue {
		return false
	}
	p.queue, p.waiting = append(p.queue, job), waiting
	p.changed.Signal()
	return true
}

// next waits for a purge. ok is false after the queue is closed and empty.
func (p *purger) next() (job purge, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.closed {
		p.changed.Wait()
	}
	if len(p.queue) == 0 {
		return purge{}, false
	}
	job, p.queue = p.queue[0], p.queue[1:]
	p.waiting -= len(job.ids)
	return job, true
}

// do runs a purge, and tries a few times if the cluster does not accept it.
func (p *purger) do(job purge) {
	const tries, firstPause = 4, 500 * time.Millisecond
	var err error
	for try := range tries {
		if try > 0 {
			select {
			case <-time.After(firstPause << try):
			case <-p.ctx.Done():
			}
		}
		if err = p.run(job); err == nil || p.ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		p.store.repairs.remember(job.user)
		p.store.config.OnError(fmt.Errorf("cassandra: purge %d messages of mailbox %s, left to repair: %w", len(job.ids), job.mailbox, err))
	}
}

func (p *purger) run(job purge) error {
	if job.wholly {
		return p.store.removeWholly(p.ctx, job.mailbox, job.ids)
	}
	return p.store.purge(p.ctx, job.mailbox, job.ids)
}

// close waits until the queue is empty, or until ctx ends.
func (p *purger) close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.changed.Broadcast()
	p.mu.Unlock()
	err := wait(ctx, &p.workers, "purges")
	p.cancel()
	return err
}
