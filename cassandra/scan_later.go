package cassandra

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

const (
	// settling is how long a scan waits before it finishes a removal. A session
	// may be finishing it: it purges in the background.
	settling = 5 * time.Second

	// waitingLooks is how many findings may wait for a second look while the
	// scan goes on, at about 200 octets each.
	waitingLooks = 100_000
)

// laterLook is a finding that waits for a second look.
type laterLook struct {
	due   time.Time
	place scanPlace // where the scan was when it found it
	of    Report    // the mailbox
	found Finding
}

// laterLooks are the findings that wait.
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

// first returns the first place of the findings that wait.
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

// takeDue removes the findings that are due, and returns when the next one will
// be.
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

// lookAgain takes the second looks that are due. If more than most findings
// wait, it waits until some are due.
func (sc *scan) lookAgain(ctx context.Context, most int) error {
	for {
		due, next := sc.later.takeDue(time.Now())
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

// secondLook examines a finding again and mends it, if it is still there.
func (sc *scan) secondLook(ctx context.Context, look laterLook) error {
	again, err := sc.store.lookAgain(ctx, cql.EachQuorum, look.of.Mailbox, look.found.ID)
	if err != nil {
		return err
	}
	f := again.Finding()
	switch {
	case f.Kind == "":
		return nil
	case f.Kind != look.found.Kind:
		return sc.handle(ctx, look.place, look.of, again)
	}
	switch plan := sc.plan(&f); {
	case plan == postpone, plan == mendLater && !sc.store.isCertain(ctx, look.of.Mailbox, &f):
		sc.postpone()
	case plan == mendNow, plan == mendLater:
		sc.store.mend(ctx, &look.of, &f, sc.options.RepairOptions)
	}
	sc.found(look.of, f)
	return ctx.Err()
}
