package driver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cql"
)

// consistency returns the driver's value for a level.
func consistency(level cql.Level) (gocql.Consistency, error) {
	switch level {
	case cql.LocalQuorum:
		return gocql.LocalQuorum, nil
	case cql.EachQuorum:
		return gocql.EachQuorum, nil
	case cql.All:
		return gocql.All, nil
	}
	c, err := gocql.ParseConsistencyWrapper(string(level)) // of a test; serial levels are errors
	if err != nil {
		return 0, fmt.Errorf("driver: no statement runs at the consistency level %q", level)
	}
	return c, nil
}

// needsEveryCentre reports whether a statement at this level needs the answer
// of every data centre.
func needsEveryCentre(level cql.Level) bool { return level == cql.EachQuorum || level == cql.All }

// Exec implements [cql.DB].
func (s *Session) Exec(ctx context.Context, level cql.Level, st *cql.Statement, timestamp int64, values ...any) error {
	if st.Kind == cql.Select {
		return fmt.Errorf("driver: a read is run as a write: %s", st)
	}
	values = st.Bind(timestamp, values)
	return s.attempt(ctx, level, func(ctx context.Context, tries int) error {
		return s.use(level, func(x *gocql.Session) error {
			q, err := s.query(ctx, x, level, st, tries, values)
			if err != nil {
				return err
			}
			return q.Exec()
		})
	})
}

// query makes the driver's query for one attempt at a statement.
func (s *Session) query(ctx context.Context, x *gocql.Session, level cql.Level, st *cql.Statement, tries int, values []any) (*gocql.Query, error) {
	c, err := consistency(level)
	if err != nil {
		return nil, err
	}
	q := x.Query(st.String(), values...).WithContext(ctx).Consistency(c).Idempotent(true).RetryPolicy(nil)
	if st.Rows > 0 {
		q.PageSize(st.Rows)
	}
	if s.observe != nil {
		q.Observer(observer{level, tries, s.observe})
	}
	return q, nil
}

// Page implements [cql.DB].
func (s *Session) Page(ctx context.Context, level cql.Level, st *cql.Statement, state []byte, scan func(cql.Row) error, values ...any) (next []byte, err error) {
	if st.Kind != cql.Select {
		return nil, fmt.Errorf("driver: a write is run as a read: %s", st)
	}
	var scanner gocql.Scanner
	err = s.reading(level, func(level cql.Level) error {
		return s.attempt(ctx, level, func(ctx context.Context, tries int) error {
			return s.use(level, func(x *gocql.Session) error {
				q, err := s.query(ctx, x, level, st, tries, values)
				if err != nil {
					return err
				}
				rows := q.PageState(state).Iter()
				next = rows.PageState()
				if rows.NumRows() == 0 {
					scanner = nil
					return rows.Close()
				}
				scanner = rows.Scanner()
				return nil
			})
		})
	})
	if err != nil || scanner == nil {
		return emptyToNil(next), err
	}
	for scanner.Next() {
		if err := scan(scanner); err != nil {
			return nil, err
		}
	}
	return emptyToNil(next), scanner.Err()
}

// reading runs a read at its level. If the engine has EACH_QUORUM for writes
// only, as ScyllaDB does, it reads at ALL instead.
func (s *Session) reading(level cql.Level, read func(cql.Level) error) error {
	if level != cql.EachQuorum {
		return read(level)
	}
	if s.noEachQuorum.Load() {
		return read(cql.All)
	}
	err := read(cql.EachQuorum)
	if !invalid(err) {
		return err
	}
	instead := read(cql.All)
	if invalid(instead) {
		return err
	}
	if refusesEachQuorum(err) {
		s.noEachQuorum.Store(true)
	}
	return instead
}

func emptyToNil(state []byte) []byte {
	if len(state) == 0 {
		return nil
	}
	return state
}

// ExecBatch implements [cql.DB]. The batch is unlogged, since it writes to one
// partition.
func (s *Session) ExecBatch(ctx context.Context, level cql.Level, b *cql.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	if err := b.Check(); err != nil {
		return err
	}
	c, err := consistency(level)
	if err != nil {
		return err
	}
	entries := make([]gocql.BatchEntry, b.Len())
	for i, w := range b.Writes() {
		entries[i] = gocql.BatchEntry{Stmt: w.Statement.String(), Args: w.Statement.Bind(w.Timestamp, w.Values), Idempotent: true}
	}
	return s.attempt(ctx, level, func(ctx context.Context, tries int) error {
		err := s.use(level, func(x *gocql.Session) error {
			batch := x.NewBatch(gocql.UnloggedBatch).WithContext(ctx).RetryPolicy(nil).DefaultTimestamp(false)
			batch.SetConsistency(c)
			if s.observe != nil {
				batch.Observer(observer{level, tries, s.observe})
			}
			batch.Entries = entries
			return x.ExecuteBatch(batch)
		})
		if err != nil {
			return fmt.Errorf("batch of %d: %w", b.Len(), err)
		}
		return nil
	})
}

// attempt calls do, with the number of the try, until it succeeds, fails with
// an error that does not pass, or has used up the retries. do must send the
// same each time. A statement that needs every data centre is tried twice at
// most: while one of them is out of reach each try takes a time-out, and a
// client may be waiting. Each try but the last has half of the time that ctx
// leaves, so that a node that says nothing does not use it up.
func (s *Session) attempt(ctx context.Context, level cql.Level, do func(ctx context.Context, tries int) error) error {
	around := func(pause time.Duration) time.Duration { return pause/2 + rand.N(pause) }
	return translate(Retry(ctx, level, s.retries, passes, around, func(tries int) error {
		one, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok && tries < s.retries {
			one, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		}
		defer cancel()
		err := do(one, tries)
		if errors.Is(err, gocql.ErrNoConnections) && one.Err() != nil { // see avoidUnanswering.pick
			err = one.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) && one.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w in half of the time that was left", gocql.ErrTimeoutNoResponse)
		}
		return err
	}))
}

// Budget bounds how often the statements of a context are tried again, all of
// them together.
type Budget struct{ left atomic.Int64 }

// Add allows more tries.
func (b *Budget) Add(tries int) { b.left.Add(int64(tries)) }

type budgetKey struct{}

// WithBudget returns a context whose statements are tried again as long as the
// budget lasts.
func WithBudget(ctx context.Context, b *Budget) context.Context {
	return context.WithValue(ctx, budgetKey{}, b)
}

// spent takes a try from the budget of ctx, if it has one, and reports whether
// nothing was left of it.
func spent(ctx context.Context) bool {
	b, ok := ctx.Value(budgetKey{}).(*Budget)
	return ok && b.left.Add(-1) < 0
}

// DefaultRetries is how often a statement is tried again if [Config.Retries] is
// 0.
const DefaultRetries = 3

// Retry is the rule by which a statement is tried again: it calls do, with the
// number of the try, as [Session] does it, and returns the last error. passes
// reports whether an error may pass, and pause returns how long to wait if the
// rule says so long.
func Retry(ctx context.Context, level cql.Level, retries int, passes func(error) bool, pause func(time.Duration) time.Duration, do func(tries int) error) error {
	const first, longest = 25 * time.Millisecond, time.Second
	if needsEveryCentre(level) {
		retries = min(retries, 1)
	}
	rule := first
	for tries := 0; ; tries++ {
		err := do(tries)
		if err == nil || tries == retries || !passes(err) || ctx.Err() != nil || spent(ctx) {
			return err
		}
		select {
		case <-time.After(pause(rule)):
		case <-ctx.Done():
			return err
		}
		rule = min(2*rule, longest)
	}
}
