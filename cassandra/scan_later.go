package cassandra

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

const (
	// settling is how long a scan waits before it takes a removal for one that
	// nobody finishes: sessions purge what they removed behind them.
	settling = 5 * time.Second

	// waitingLooks bounds how many findings may wait for a second look, at about
	// 200 octets each, while the scan goes on.
	waitingLooks = 100_000
)

// laterLook is a finding that is looked at again before anything is done.
type laterLook struct {
	due   time.Time
	place scanPlace // of the scan, when it was found
	of    Report    // whose it is
	found Finding
}

// laterLooks are those that wait.
type laterLooks struct {
	mu   sync.Mutex
	list []laterLook
}

func (l *laterLooks) add(look laterLook) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, look)
}

func (l *laterLooks) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list)
}

// first is the first place of those that wait.
func (l *laterLooks) first() (place scanPlace, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, look := range l.list {
		if i == 0 || look.place.before(place) {
			place = look.place
		}
	}
	return place, len(l.list) > 0
}

// takeDue takes out those that are due, and tells when the next one is.
func (l *laterLooks) takeDue(now time.Time) (due []laterLook, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(look laterLook) bool {
		if !look.due.After(now) {
			due = append(due, look)
			return true
		}
		if next.IsZero() || look.due.Before(next) {
			next = look.due
		}
		return false
	})
	return due, next
}

// see does with a verdict what the scan is for; place is where it was then.
func (sc *scan) see(ctx context.Context, place scanPlace, of Report, v verdict) error {
	if v.young {
		sc.postpone()
	}
	if v.kind == "" || sc.options.Only != "" && v.kind != sc.options.Only {
		return nil
	}
	f := v.Finding()
	switch plan := sc.plan(&f); {
	case f.Kind == NotRemoved:
		sc.later.add(laterLook{time.Now().Add(settling), place, of, f})
		return nil
	case plan == mendLater:
		if err := sc.store.closeRange(ctx, of.Mailbox, &f); err != nil {
			return err
		}
		sc.later.add(laterLook{time.Now().Add(sc.options.Confirm), place, of, f})
		return nil
	case plan == postpone:
		sc.postpone()
	case plan == mendNow:
		f.Err = sc.store.mend(ctx, &of, &f, sc.options.RepairOptions)
	}
	sc.found(of, f)
	return ctx.Err()
}

func (sc *scan) plan(f *Finding) plan {
	if !sc.mends {
		return leave
	}
	plan := sc.store.plan(f, sc.options.RepairOptions)
	if plan == mendLater && !sc.rested {
		return postpone
	}
	return plan
}

// rest looks whether the replication has been what it is for long enough for
// second looks to mean something.
func (sc *scan) rest(ctx context.Context) (err error) {
	if sc.mends && sc.options.Confirm > 0 {
		sc.rested, err = sc.store.replicationRested(ctx)
	}
	return err
}

func (sc *scan) postpone() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.progress.Postponed++
}

// found counts a finding and tells of it.
func (sc *scan) found(of Report, f Finding) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.progress.Findings++
	if f.Mended {
		sc.progress.Mended++
	}
	if sc.options.Found != nil {
		of.Findings = []Finding{f}
		sc.options.Found(of)
	}
}

// lookAgain has the second looks that are due, and waits for others until no more
// than most are left.
func (sc *scan) lookAgain(ctx context.Context, most int) error {
	for {
		due, next := sc.later.takeDue(time.Now())
		if len(due) > 0 {
			if err := sc.rest(ctx); err != nil {
				return err
			}
		}
		err := parallel.Each(lookers, len(due), func(i int) error {
			return sc.fail(ctx, sc.secondLook(ctx, due[i]))
		})
		if err != nil {
			return err
		}
		if len(due) > 0 || sc.later.len() <= most {
			return ctx.Err()
		}
		if err := pause(ctx, time.Until(next)); err != nil {
			return err
		}
	}
}

// secondLook does what was to be done about a finding, if it is still one.
func (sc *scan) secondLook(ctx context.Context, look laterLook) error {
	ledger, err := sc.store.ledgerOf(ctx, look.of.Mailbox)
	if err != nil {
		return err
	}
	again, err := sc.store.examine(ctx, look.of.Mailbox, ledger, look.found.ID)
	if err != nil {
		return err
	}
	f := again.Finding()
	switch {
	case f.Kind == "":
		return nil
	case f.Kind != look.found.Kind:
		return sc.see(ctx, look.place, look.of, again)
	}
	switch sc.plan(&f) {
	case postpone:
		sc.postpone()
	case mendNow, mendLater:
		f.Err = sc.store.mend(ctx, &look.of, &f, sc.options.RepairOptions)
	}
	sc.found(look.of, f)
	return ctx.Err()
}
