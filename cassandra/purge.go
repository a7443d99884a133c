package cassandra

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/driver"
)

// purge is the last step of the removal of some messages of a mailbox.
type purge struct {
	user    string
	mailbox MailboxID
	ids     []MessageID // at most batchSize
	wholly  bool        // all steps of the removal: for an attempt that failed
	claim   string      // the foreign unique-id that such an attempt lets go; "" for almost all
	tries   int         // that have failed
}

// purger deletes content and memberships in the background. Its queue is
// bounded. While the cluster does not accept purges they wait, and one of them
// is tried now and then. What finds no place, fails too often or is left when
// the process ends is finished by a repair, since the marks are there.
type purger struct {
	store   *Store
	refused breaker         // while the cluster does not accept purges
	ctx     context.Context // ends when close has waited long enough
	cancel  context.CancelFunc
	workers sync.WaitGroup
	closing chan struct{}

	mu      sync.Mutex
	changed *sync.Cond // the queue is longer, or closed
	queue   []purge
	waiting int // messages in the queue
	left    int // messages that were left to repair, so far
	closed  bool
}

// purgeTries is how often a purge is tried.
const purgeTries = 4

func newPurger(s *Store) *purger {
	p := &purger{store: s, closing: make(chan struct{})}
	p.refused.now = time.Now
	p.changed = sync.NewCond(&p.mu)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for range max(1, s.config.PurgeWorkers) {
		p.workers.Go(func() {
			for work, ok := p.next(); ok; work, ok = p.next() {
				p.do(work)
			}
		})
	}
	return p
}

// add queues a purge. If the queue is full it runs the purge, so that sessions
// do not remove faster than the cluster can purge; but not longer than ctx
// lasts, and not while the cluster refuses.
func (p *purger) add(ctx context.Context, work purge) {
	if p.queued(work) {
		return
	}
	err := errBreakerOpen
	if !work.wholly && !p.refused.isOpen() {
		err = p.run(ctx, work)
		p.refused.note(err)
	}
	if err != nil {
		p.leave(work, fmt.Errorf("no place in the queue: %w", err))
	}
}

// queued queues a purge. It returns false if the queue is full or closed.
func (p *purger) queued(work purge) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.waiting + len(work.ids)
	if p.closed || len(p.queue) > 0 && waiting > p.store.config.PurgeQueue {
		return false
	}
	p.queue, p.waiting = append(p.queue, work), waiting
	p.changed.Signal()
	return true
}

// next waits for a purge. ok is false after the queue is closed and empty.
func (p *purger) next() (work purge, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.closed {
		p.changed.Wait()
	}
	if len(p.queue) == 0 {
		return purge{}, false
	}
	work, p.queue = p.queue[0], p.queue[1:]
	p.waiting -= len(work.ids)
	return work, true
}

// do runs a purge. If the cluster does not accept it, it is queued again.
func (p *purger) do(work purge) {
	p.awaitCalm()
	err := p.run(p.ctx, work)
	p.refused.note(err)
	if err == nil {
		return
	}
	if work.tries++; work.tries >= purgeTries || p.ctx.Err() != nil || !p.queued(work) {
		p.leave(work, err)
	}
}

// awaitCalm waits while the cluster refuses purges, but not when the purger is
// closing.
func (p *purger) awaitCalm() {
	for p.refused.isOpen() {
		select {
		case <-time.After(firstPause / 10):
		case <-p.closing:
			return
		}
	}
}

func (p *purger) run(ctx context.Context, work purge) error {
	if work.wholly {
		return p.store.undoNow(ctx, work)
	}
	return p.store.purge(ctx, work.mailbox, work.ids)
}

// leave leaves a purge to repair.
func (p *purger) leave(work purge, err error) {
	p.mu.Lock()
	p.left += len(work.ids)
	p.mu.Unlock()
	p.store.repairs.remember(job{user: work.user, ids: work.ids})
	p.store.config.OnError(fmt.Errorf("cassandra: purge %d messages of mailbox %s, left to repair: %w", len(work.ids), work.mailbox, err))
}

// close waits until the queue is empty, or until ctx ends.
func (p *purger) close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	p.changed.Broadcast()
	p.mu.Unlock()
	err := wait(ctx, &p.workers, "purges")
	p.cancel()
	return err
}

// undo removes what a failed attempt has written, in the background: the sender
// has its answer at once.
func (s *Store) undo(ctx context.Context, a *attempt) {
	work := purge{user: a.user, mailbox: a.mailbox, ids: []MessageID{a.id}, wholly: true}
	if a.claimed && !a.sent {
		work.claim = a.uidl
	}
	s.purger.add(ctx, work)
}

// undoNow sends each statement once. The cluster has just failed the attempt,
// and gets no more work for it than the attempt itself would have been (P8).
func (s *Store) undoNow(ctx context.Context, work purge) error {
	ctx = driver.WithBudget(ctx, new(driver.Budget))
	if work.claim != "" {
		if err := s.letGo(ctx, work.mailbox, work.claim, work.ids[0]); err != nil {
			return err
		}
	}
	return s.removeWholly(ctx, work.mailbox, work.ids)
}
