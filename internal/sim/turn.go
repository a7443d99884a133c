package sim

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// call is a statement of a host, or a part of one, that waits for its turn.
type call struct {
	host      *host
	operation int // that it belongs to; 0: work in the background
	statement *cql.Statement
	values    []any
	since     time.Time
	wake      chan struct{}
}

type operationKey struct{}

// turn waits until the director lets the statement go on. Its error says that
// the process was killed.
func (h *host) turn(ctx context.Context, st *cql.Statement, values []any) error {
	w := h.world
	w.mu.Lock()
	if w.inline || h.dead {
		w.mu.Unlock()
		return h.err()
	}
	operation, _ := ctx.Value(operationKey{}).(int)
	c := &call{h, operation, st, values, time.Now(), make(chan struct{})}
	w.parked = append(w.parked, c)
	w.mu.Unlock()
	<-c.wake
	return h.err()
}

// step waits until all goroutines wait, and lets one of the statements that
// wait for their turn go on: then only its goroutine runs, and what it starts.
// It reports whether there was one. Or it lets a late message arrive.
//
// All that happens depends on this order and on nothing else, since between two
// steps there is never more than one statement whose turn it is.
func (w *world) step() bool {
	w.settle()
	w.mu.Lock()
	ready := make([]*call, 0, 8)
	for _, c := range w.parked {
		if !c.host.frozen {
			ready = append(ready, c)
		}
	}
	w.mu.Unlock()
	if w.chance.once(20) {
		w.arriveOne()
	}
	if len(ready) == 0 {
		return false
	}
	if len(ready) > 1 {
		slices.SortStableFunc(ready, (*call).compare)
	}
	c := ready[w.chance.below(len(ready))]
	w.pass(200*time.Microsecond + time.Duration(w.chance.below(3000))*time.Microsecond)
	w.settle()
	if c.host.counted(c.statement) {
		w.release(c)
	}
	return true
}

// settle waits until all goroutines wait, and returns how many statements do.
// What the goroutines did happened before, for the race detector too.
func (w *world) settle() (parked int) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.parked)
}

// release lets a statement go on.
func (w *world) release(c *call) {
	w.mu.Lock()
	w.parked = slices.DeleteFunc(w.parked, func(other *call) bool { return other == c })
	w.current = c.host
	w.mu.Unlock()
	close(c.wake)
	w.settle()
}

// pass lets time pass, and with it the timers of the library.
func (w *world) pass(d time.Duration) { time.Sleep(d) }

// run lets statements go on until done reports true, or until nothing can go on
// because it belongs to processes that are frozen.
func (w *world) run(done func() bool) {
	const most = 20_000 // steps
	idle := time.Millisecond
	for range most {
		if done() {
			return
		}
		switch {
		case w.step():
			idle = time.Millisecond
		case w.standsStill():
			return
		default: // it waits for a timer
			w.pass(idle)
			idle = min(2*idle, time.Hour)
		}
	}
	w.violate(NeverEnds, "the events take more than %d steps", most)
}

// standsStill reports whether every operation that has not ended is one of a
// frozen process.
func (w *world) standsStill() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.running {
		if !o.done && !o.host.frozen {
			return false
		}
	}
	return true
}

// drain lets everything go on that can, until no statement waits.
func (w *world) drain() {
	for range 20_000 {
		if !w.step() {
			return
		}
	}
	w.violate(NeverEnds, "the work in the background takes more than 20,000 steps")
}

// compare orders statements that wait at the same time, in an order that does
// not depend on how goroutines are scheduled.
func (c *call) compare(other *call) int {
	order := cmp.Or(
		cmp.Compare(c.host.number, other.host.number),
		cmp.Compare(c.host.life, other.host.life),
		cmp.Compare(c.operation, other.operation),
	)
	if order == 0 && c.statement != other.statement {
		order = strings.Compare(c.statement.String(), other.statement.String())
	}
	for i := 0; order == 0 && i < min(len(c.values), len(other.values)); i++ {
		order = compareValues(c.values[i], other.values[i])
	}
	return order
}

func compareValues(a, b any) int {
	switch a := a.(type) {
	case [][16]byte:
		if b, ok := b.([][16]byte); ok {
			return slices.CompareFunc(a, b, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
		}
	case []int64:
		if b, ok := b.([]int64); ok {
			return slices.Compare(a, b)
		}
	case []byte:
		if b, ok := b.([]byte); ok {
			return slices.Compare(a, b)
		}
	case [16]byte:
		if b, ok := b.([16]byte); ok {
			return slices.Compare(a[:], b[:])
		}
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case int:
		if b, ok := b.(int); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b)
		}
	}
	return 0
}
