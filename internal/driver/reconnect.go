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
	// patience is how long no statement gets an answer before the link is taken
	// to have lost its nodes. Nodes that come back at their old addresses the
	// driver finds by itself, in about 2 s.
	patience = 3 * time.Second

	// Between two attempts to connect anew there is a rest, which doubles from
	// firstRest to longestRest, less up to a half at random: hosts that have
	// lost a cluster together do not all come back to it at once.
	firstRest   = time.Second
	longestRest = 10 * time.Second

	// renewLimit is how long one attempt may take.
	renewLimit = time.Minute
)

// renewal replaces the link of a session that has lost its nodes. If all nodes
// have come back at other addresses, the driver knows none that answers, and
// may ask the old addresses forever. A new link resolves the hosts of the
// configuration again; Config.Check makes sure that they are still the same
// cluster.
//
// Statements do not wait for it. They fail, are tried again, and use the new
// link as soon as there is one.
type renewal struct {
	connect func(context.Context) (*link, error)
	swap    func(fresh *link) (old *link)
	onError func(error)

	life context.Context // ends with the session
	end  context.CancelFunc

	listening atomic.Bool // answers matter: unansweredSince is set, or lost is true

	mu              sync.Mutex
	unansweredSince time.Time // the first statement without an answer since the last answer
	lost            bool      // a statement failed when patience was over; no new link since then
	running         bool      // an attempt is under way
	rest            time.Duration
	notBefore       time.Time // the next attempt
	failed          error     // of the last attempt; nil after an answer
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

// note records how an attempt at a statement ended, and begins to connect anew
// if there was no answer for too long.
//
// A time-out at a level that needs every data centre does not count. The node
// that was asked waits for the other data centres about as long as the driver
// waits for the node, so it may well be alive.
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

// answered reports whether a node has answered, perhaps with an error.
func answered(err error) bool {
	var answer gocql.RequestError
	return err == nil || errors.As(err, &answer) || errors.Is(err, gocql.ErrNotFound)
}

// unanswered reports whether no node has answered, in time or at all. An error
// that says nothing of the nodes is neither.
func unanswered(err error) bool {
	return !answered(err) && (passes(err) || errors.Is(err, context.DeadlineExceeded))
}

// late reports whether an answer did not come in time.
func late(err error) bool {
	return errors.Is(err, gocql.ErrTimeoutNoResponse) || errors.Is(err, context.DeadlineExceeded)
}

// heard records an answer. A link that was lost is replaced even if it has
// found its nodes again by itself: it may look for one of them at an old
// address forever, unnoticed as long as the others answer.
func (r *renewal) heard(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = nil
	r.unansweredSince = time.Time{}
	r.listening.Store(r.lost)
	r.begin(now)
}

// unheard records a statement without an answer.
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

// begin begins an attempt if one is due.
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

// renewed ends an attempt. It swaps in the new link, if there is one, and
// returns the link to close.
func (r *renewal) renewed(now time.Time, fresh *link, err error) (old *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.notBefore) > time.Minute { // the last attempt is long ago
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

// explain adds to the error of a statement why there is no new link yet.
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

// close cancels an attempt that is under way, and prevents others.
func (r *renewal) close() {
	r.mu.Lock()
	r.end()
	r.mu.Unlock()
	r.work.Wait()
}
