package cassandra

import (
	"context"
	"time"
)

// handle reports a verdict or mends it, now or later, as the options of the
// scan say. place is where the scan was when it found the message.
func (sc *scan) handle(ctx context.Context, place scanPlace, of Report, v verdict) error {
	if v.young {
		sc.postpone()
	}
	if v.kind == NotComplete && sc.incomplete != nil {
		sc.mu.Lock()
		if len(sc.incomplete) < waitingLooks {
			sc.incomplete[v.id] = true
		}
		sc.mu.Unlock()
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
		if !sc.store.isCertain(ctx, of.Mailbox, &f) || sc.store.closeRange(ctx, of.Mailbox, &f) != nil {
			sc.postpone()
			break
		}
		sc.later.add(laterLook{time.Now().Add(sc.options.Confirm), place, of, f})
		return nil
	case plan == postpone:
		sc.postpone()
	case plan == mendNow:
		sc.store.mend(ctx, &of, &f, sc.options.RepairOptions)
	}
	sc.found(of, f)
	return ctx.Err()
}

// plan returns what the scan does with a finding.
func (sc *scan) plan(f *Finding) plan {
	if !sc.mends {
		return leave
	}
	return sc.store.plan(f, sc.options.RepairOptions)
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
