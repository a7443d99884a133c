package cassandra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/cql"
)

// ScanOptions says how VerifyAll and RepairAll go through all mailboxes.
type ScanOptions struct {
	RepairOptions

	// Resume goes on where an earlier scan ended: [Progress.Resume] of its last
	// progress. "" begins at the beginning.
	Resume string

	// Rate is how many messages a second are looked at, so that the scan
	// leaves the cluster to its users. 0 means as many as it takes.
	Rate int

	// Mailboxes is how many are looked at side by side. 0 means 4.
	Mailboxes int

	// Found hears of each mailbox in which something was found; Progress of
	// the scan after each of its 256 ranges. They may be nil, and are called
	// one at a time.
	Found    func(Report)
	Progress func(Progress)
}

// Progress is how far a scan has come.
type Progress struct {
	Mailboxes int // that were looked at
	Messages  int // in them
	Findings  int
	Mended    int
	Postponed int
	Failed    int // mailboxes that could not be looked at; a later scan finds them again

	Done      float64       // of the whole, 0 to 1
	Elapsed   time.Duration // of this scan
	Remaining time.Duration // at this pace; 0 where it cannot be told yet
	Rate      float64       // messages a second
	Resume    string        // for [ScanOptions.Resume]: everything before it is done
}

// VerifyAll is [Store.Verify] of every mailbox, by ranges of tokens. It can be
// interrupted and resumed. The error is that of the context, or of a range that
// could not be read; what was done before is in the progress.
func (s *Store) VerifyAll(ctx context.Context, options ScanOptions) (Progress, error) {
	return s.scan(ctx, options, s.Verify)
}

// RepairAll is [Store.Repair] of every mailbox, as VerifyAll goes through them.
func (s *Store) RepairAll(ctx context.Context, options ScanOptions) (Progress, error) {
	return s.scan(ctx, options, func(ctx context.Context, user string) (Report, error) {
		return s.Repair(ctx, user, options.RepairOptions)
	})
}

// scanRanges is in how many ranges the ring is cut: the steps in which a scan
// can be resumed.
const scanRanges = 256

// rangeEnd is the last token of a range.
func rangeEnd(i int) int64 {
	if i == scanRanges-1 {
		return math.MaxInt64
	}
	return math.MinInt64 + int64(i+1)*int64(math.MaxUint64/scanRanges)
}

func (s *Store) scan(ctx context.Context, options ScanOptions, look func(context.Context, string) (Report, error)) (p Progress, err error) {
	first := 0
	if options.Resume != "" {
		if _, err := fmt.Sscanf(options.Resume, "range %d", &first); err != nil || first < 0 || first > scanRanges {
			return p, fmt.Errorf("cassandra: scan: %q is not where a scan can go on", options.Resume)
		}
	}
	sc := &scan{store: s, options: options, look: look, began: time.Now()}
	for i := first; i < scanRanges; i++ {
		if err := sc.scanRange(ctx, i); err != nil {
			return sc.progress, fmt.Errorf("cassandra: scan: %w", err)
		}
		sc.advance(first, i+1)
	}
	return sc.progress, nil
}

// scan is one run through the ring.
type scan struct {
	store   *Store
	options ScanOptions
	look    func(context.Context, string) (Report, error)
	began   time.Time

	mu       sync.Mutex
	progress Progress
}

// scanRange looks at the mailboxes of one range, some side by side.
func (sc *scan) scanRange(ctx context.Context, i int) error {
	users, err := sc.store.usersIn(ctx, i)
	if err != nil {
		return err
	}
	w := newWindow(cmp.Or(sc.options.Mailboxes, 4))
	for _, user := range users {
		w.run(func() {
			if ctx.Err() == nil {
				sc.note(sc.look(ctx, user))
			}
		})
		if err := sc.pace(ctx); err != nil {
			break
		}
	}
	w.wait()
	return ctx.Err()
}

func (sc *scan) note(report Report, err error) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.progress.Mailboxes++
	if err != nil {
		sc.progress.Failed++
		if !errors.Is(err, context.Canceled) {
			sc.store.config.OnError(err)
		}
		return
	}
	sc.progress.Messages += report.Messages
	sc.progress.Findings += len(report.Findings)
	sc.progress.Mended += report.Mended()
	sc.progress.Postponed += report.Postponed
	if sc.options.Found != nil && len(report.Findings) > 0 {
		sc.options.Found(report)
	}
}

// pace waits where the scan is ahead of its rate.
func (sc *scan) pace(ctx context.Context) error {
	if sc.options.Rate <= 0 {
		return ctx.Err()
	}
	sc.mu.Lock()
	due := sc.began.Add(time.Duration(sc.progress.Messages) * time.Second / time.Duration(sc.options.Rate))
	sc.mu.Unlock()
	select {
	case <-time.After(time.Until(due)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// advance notes that the ranges before next are done.
func (sc *scan) advance(first, next int) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	p := &sc.progress
	p.Resume = fmt.Sprintf("range %d", next)
	p.Done = float64(next) / scanRanges
	p.Elapsed = time.Since(sc.began)
	p.Remaining = p.Elapsed / time.Duration(next-first) * time.Duration(scanRanges-next)
	p.Rate = float64(p.Messages) / p.Elapsed.Seconds()
	if sc.options.Progress != nil {
		sc.options.Progress(*p)
	}
}

// usersIn names the users whose mailboxes lie in a range. Partitions of foreign
// unique-ids have none.
func (s *Store) usersIn(ctx context.Context, i int) (users []string, err error) {
	after := int64(math.MinInt64)
	if i > 0 {
		after = rangeEnd(i - 1)
	}
	err = s.db.Each(ctx, s.everywhere(), selectUsers, func(row cql.Row) error {
		var id [16]byte
		var user string
		if err := row.Scan(&id, &user); err != nil {
			return err
		}
		if user != "" {
			users = append(users, user)
		}
		return nil
	}, after, rangeEnd(i))
	return users, err
}
