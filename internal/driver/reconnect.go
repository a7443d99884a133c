package driver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cql"
)

const (
	// patience is how long statements are asked without any answer before the
	// driver is taken to have lost its nodes. By itself it finds nodes that come
	// back at their old addresses, in about 2 s.
	patience = 3 * time.Second

	// One attempt to connect anew follows the other after pauses that double
	// from firstRest to longestRest, less up to a half, so that hosts that have
	// lost a cluster together do not all come back to it at once.
	firstRest   = time.Second
	longestRest = 10 * time.Second

	// renewLimit is what one attempt may take.
	renewLimit = time.Minute
)

// renewal makes a new session of the driver where the old one has lost its
// nodes: when all of them have come back at other addresses, it knows none that
// answers, and may ask the old ones for ever. The hosts of the configuration are
// resolved anew; what is found there must be the keyspace that it was.
//
// Statements do not wait for it. They fail, are tried again, and go to the new
// session as soon as that is there.
type renewal struct {
	connect func(context.Context) (*link, error)
	swap    func(fresh *link) (old *link)
	onError func(error)

	life context.Context // of the session: ends what is under way
	end  context.CancelFunc

	listening atomic.Bool // those who get answers are to say so: unansweredSince is set, or lost

	mu              sync.Mutex
	unansweredSince time.Time // of the first statement without an answer since the last answer
	lost            bool      // one failed patience later, and there is no new session since
	running         bool
	rest            time.Duration
	notBefore       time.Time
	failed          error // why the last attempt failed, nil after an answer
	work            sync.WaitGroup
}

func newRenewal(connect func(context.Context) (*link, error), swap func(*link) *link, onError func(error)) *renewal {
	r := &renewal{connect: connect, swap: swap, onError: onError}
	if onError == nil {
		r.onError = func(error) {}
	}
	r.life, r.end = context.WithCancel(context.Background())
	return r
}

// note learns from how an attempt at a statement ended, and begins to connect
// anew where nothing has answered for too long. A node that is asked for every
// data centre waits for all of them, about as long as the driver waits for the
// node: where one of them says nothing, that the node is late says nothing of it.
func (r *renewal) note(level cql.Level, err error) {
	switch {
	case late(err) && needsEveryCentre(level):
	case answered(err):
		if r.listening.Load() {
			r.heard(time.Now())
		}
	case unanswered(err):
		r.unheard(time.Now())
	}
}

// answered tells whether a node has answered, though perhaps with an error.
func answered(err error) bool {
	var answer gocql.RequestError
	return err == nil || errors.As(err, &answer) || errors.Is(err, gocql.ErrNotFound)
}

// unanswered tells whether no node has answered: not in time, or not at all.
func unanswered(err error) bool {
	return !answered(err) && (passes(err) || errors.Is(err, context.DeadlineExceeded))
}

// late tells whether an answer did not come in time.
func late(err error) bool {
	return errors.Is(err, gocql.ErrTimeoutNoResponse) || errors.Is(err, context.DeadlineExceeded)
}

// heard hears of an answer. A driver that has found its nodes again by itself,
// after so long, is replaced all the same: where they have moved it may for ever
// look for one of them at the old address, and nobody would notice as long as the
// others answer.
func (r *renewal) heard(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = nil
	r.unansweredSince = time.Time{}
	r.listening.Store(r.lost)
	r.begin(now)
}

func (r *renewal) unheard(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unansweredSince.IsZero() {
		r.unansweredSince = now
		r.listening.Store(true)
	}
	r.lost = r.lost || now.Sub(r.unansweredSince) >= patience
	r.begin(now)
}

// begin begins an attempt, where one is due.
func (r *renewal) begin(now time.Time) {
	if !r.lost || r.running || now.Before(r.notBefore) || r.life.Err() != nil {
		return
	}
	r.running = true
	r.work.Go(func() {
		ctx, cancel := context.WithTimeout(r.life, renewLimit)
		defer cancel()
		r.renew(ctx)
	})
}

// renew is one attempt.
func (r *renewal) renew(ctx context.Context) {
	fresh, err := r.connect(ctx)
	if err != nil && r.life.Err() == nil {
		r.onError(fmt.Errorf("connect anew: %w", err))
	}
	if old := r.renewed(time.Now(), fresh, err); old != nil {
		old.retire(ctx)
	}
}

// renewed takes the new session, where there is one, and returns the one that is
// to be closed.
func (r *renewal) renewed(now time.Time, fresh *link, err error) (old *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.notBefore) > time.Minute { // the last time is long ago
		r.rest = 0
	}
	r.rest = min(max(2*r.rest, firstRest), longestRest)
	r.running, r.notBefore = false, now.Add(r.rest-rand.N(r.rest/2))
	switch {
	case err != nil:
		r.failed = err
		return nil
	case r.life.Err() != nil:
		return fresh
	}
	r.listening.Store(false)
	r.unansweredSince, r.lost, r.failed = time.Time{}, false, nil
	return r.swap(fresh)
}

// explain adds to the error of a statement why there is no new session yet.
func (r *renewal) explain(err error) error {
	if !unanswered(err) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		return err
	}
	return fmt.Errorf("%w (connecting anew: %v)", err, r.failed)
}

// close ends an attempt that is under way, and lets no other begin.
func (r *renewal) close() {
	r.mu.Lock()
	r.end()
	r.mu.Unlock()
	r.work.Wait()
}
