package indextest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/parallel"
)

// together runs functions side by side. If one of them ends the check, so does
// together, after all of them.
func together(functions ...func()) {
	err := parallel.Each(len(functions), len(functions), func(i int) error { return attempt(functions[i]) })
	if broken := (violation{}); errors.As(err, &broken) {
		panic(broken)
	}
}

// concurrentCalls adds, removes, lists and scans at the same time. It is most
// of use under the race detector.
func concurrentCalls(ctx context.Context, s *suite) {
	const boxes, writers, messages = 3, 8, 20
	at := s.microseconds(time.Hour)
	done := make(chan struct{})
	var working sync.WaitGroup
	working.Add(writers)
	var functions []func()
	crowds := make([]*crowd, boxes)
	for i := range crowds {
		crowds[i] = &crowd{box: s.newBox(), sure: make(map[cassandra.MessageID]cassandra.Entry), gone: make(map[cassandra.MessageID]bool)}
		bucket := newID(at).Bucket()
		crowds[i].touched[bucket-nextBucket], crowds[i].touched[bucket] = true, true
		functions = append(functions, func() {
			for running := true; running; {
				select {
				case <-done:
					running = false // one last look, at everything
				default:
				}
				crowds[i].look(ctx)
			}
		})
	}
	for range writers {
		functions = append(functions, func() {
			defer working.Done()
			for i := range messages {
				crowds[i%boxes].write(ctx, entry(at+int64(i)-int64(i%2)*month), i%4 == 0)
			}
		})
	}
	go func() {
		working.Wait()
		close(done)
	}()
	together(functions...)
	for _, c := range crowds {
		c.entries = c.sure
		c.expect(ctx, ruleParallel, "after calls from several goroutines")
	}
}

// crowd is a mailbox that several goroutines use.
type crowd struct {
	*box

	mu   sync.Mutex
	sure map[cassandra.MessageID]cassandra.Entry // that stay
	gone map[cassandra.MessageID]bool
}

// write adds a message; one that is to go it removes, and adds again.
func (c *crowd) write(ctx context.Context, e cassandra.Entry, goes bool) {
	add := c.Added
	if c.TooOld(e.ID) {
		add = c.Restore
	}
	err := add(ctx, c.id, e)
	if goes {
		err = errors.Join(err, c.Removed(ctx, c.id, []cassandra.MessageID{e.ID}), c.Restore(ctx, c.id, e))
	}
	if err != nil {
		breaks(ruleParallel, "calls from several goroutines failed: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if goes {
		c.gone[e.ID] = true
	} else {
		c.sure[e.ID] = e
	}
}

// look lists and scans, and finds what was added before, and nothing that was
// removed before.
func (c *crowd) look(ctx context.Context) {
	scan := listing{name: "Scan", begin: func(ctx context.Context) iter.Seq2[cassandra.Listed, error] {
		return c.Scan(ctx, math.MinInt64, math.MaxInt64)
	}}
	for _, l := range append(c.lists(c.all()), scan) {
		c.mu.Lock()
		sure, gone := maps.Clone(c.sure), maps.Clone(c.gone)
		c.mu.Unlock()
		for _, one := range collect(l.begin(ctx), l.name) {
			if gone[one.ID] {
				breaks(ruleParallel, "%s, among calls from several goroutines, has a message that was removed before it began", l.name)
			}
			if e, ok := sure[one.ID]; ok && (e != one.Entry || one.Mailbox != c.id) {
				breaks(ruleParallel, "%s, among calls from several goroutines, %s", l.name,
					difference([]cassandra.Listed{one}, []cassandra.Listed{c.located(e)}))
			}
			delete(sure, one.ID)
		}
		if len(sure) > 0 {
			breaks(ruleParallel, "%s, among calls from several goroutines, lacks %d messages that were added before it began", l.name, len(sure))
		}
	}
}
