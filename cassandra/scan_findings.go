package cassandra

import (
	"context"
	"slices"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

// suspects are messages of one bucket that did not fit in the comparison.
type suspects struct {
	bucketKey
	ids     []MessageID
	unknown bool // the bucket was not in the ledger
}

// examineSuspects examines each suspect by itself, and handles the verdicts.
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

// handle reports a verdict or mends it, now or later, as the options of the
// scan say. place is where the scan was when it found the message.
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

// plan returns what the scan does with a finding.
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

// postpone counts a message that is left to a later scan.
func (sc *scan) postpone() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.progress.Postponed++
}

// found counts a finding and reports it.
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
