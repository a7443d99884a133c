package cassandra

import (
	"context"
	"slices"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

// suspects are messages of one bucket that do not fit.
type suspects struct {
	bucketKey
	ids     []MessageID
	unknown bool // the bucket: its mailbox did not say that it has it
}

// examineSuspects has a closer look at suspects.
func (sc *scan) examineSuspects(ctx context.Context, list suspects) error {
	if len(list.ids) == 0 && !list.unknown {
		return nil
	}
	s := sc.store
	of, ledger, err := s.ownerOf(ctx, list.mailbox)
	if err != nil {
		return sc.fail(ctx, err)
	}
	if list.unknown && !slices.Contains(ledger.buckets, list.bucket) {
		if err := sc.handle(ctx, sc.place, of, verdict{kind: NoBucket, bucket: list.bucket}); err != nil {
			return sc.fail(ctx, err)
		}
	}
	return parallel.Each(lookers, len(list.ids), func(i int) error {
		v, err := s.examine(ctx, list.mailbox, ledger, list.ids[i])
		if err == nil {
			err = sc.handle(ctx, sc.place, of, v)
		}
		return sc.fail(ctx, err)
	})
}

// handle does with a verdict what the scan is for; place is where it was then.
func (sc *scan) handle(ctx context.Context, place scanPlace, of Report, v verdict) error {
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
