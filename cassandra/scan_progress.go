package cassandra

import (
	"context"
	"fmt"
	"time"
)

// Progress is how far a scan has come. The numbers are of this run, not of the
// one that it resumes.
type Progress struct {
	Mailboxes int // that were read
	Messages  int // in these mailboxes, and not marked as removed
	Contents  int // messages whose content was read
	Findings  int
	Mended    int
	Postponed int // as in [Report]
	Failed    int // messages and buckets that could not be examined; a later scan finds them again

	Done      float64       // the share of the whole that is done, 0 to 1
	Elapsed   time.Duration // since this run began
	Remaining time.Duration // an estimate; 0 if there is none yet
	Rate      float64       // messages a second
	Resume    string        // for [ScanOptions.Resume]: everything before it is done
}

// scanPlace is where a scan is. Its round is for the content in the parts from
// first to last, without last; the memberships of the parts before part were
// compared.
type scanPlace struct{ first, last, part int }

// String returns the form for [ScanOptions.Resume].
func (p scanPlace) String() string {
	return fmt.Sprintf("content %d-%d range %d", p.first, p.last, p.part)
}

func parsePlace(text string) (p scanPlace, err error) {
	if text == "" {
		return p, nil
	}
	_, err = fmt.Sscanf(text, "content %d-%d range %d", &p.first, &p.last, &p.part)
	if err != nil || p.String() != text || p.first < 0 || p.last < p.first || p.last > ringParts ||
		p.part < 0 || p.part > ringParts || p.part > 0 && p.last == p.first {
		return p, fmt.Errorf("%q is not where a scan can go on", text)
	}
	return p, nil
}

func (p scanPlace) before(other scanPlace) bool {
	return p.first < other.first || p.first == other.first && p.part < other.part
}

// done returns the share of the whole that is done at this place. Reading the
// content counts as one half of a round, comparing the memberships as the
// other.
func (p scanPlace) done() float64 {
	memberships := float64(p.part) / ringParts
	if p.last == p.first {
		memberships = 0
	}
	return (float64(p.first) + float64(p.last-p.first)*(1+memberships)/2) / ringParts
}

// countMailboxes counts the mailboxes whose first bucket is in the parts.
func (sc *scan) countMailboxes(from, to int) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for _, bucket := range sc.known.in(tokens{partEnd(from - 1), partEnd(to - 1)}) {
		if bucket.first {
			sc.progress.Mailboxes++
		}
	}
}

// fail counts and reports the error of something that could not be examined, so
// that the scan goes on without it. err may be nil. It returns only the error
// of ctx.
func (sc *scan) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	sc.mu.Lock()
	sc.progress.Failed++
	sc.mu.Unlock()
	sc.store.config.OnError(fmt.Errorf("cassandra: scan: %w", err))
	return nil
}

// pace waits if the scan is ahead of its rate.
func (sc *scan) pace(ctx context.Context) error {
	if sc.options.Rate <= 0 {
		return ctx.Err()
	}
	sc.mu.Lock()
	read := sc.progress.Contents + sc.progress.Messages
	sc.mu.Unlock()
	due := sc.began.Add(time.Duration(float64(read) / float64(sc.options.Rate) * float64(time.Second)))
	return pause(ctx, time.Until(due))
}

// advance reports that the scan has come to its place. It can be resumed there,
// or before the findings that wait for a second look.
func (sc *scan) advance() {
	done := sc.place
	if first, ok := sc.later.first(); ok && first.before(done) {
		done = first
	}
	sc.mu.Lock()
	sc.progress.Resume = done.String()
	sc.mu.Unlock()
	sc.report(sc.place.done())
}

// report updates the progress and reports it.
func (sc *scan) report(done float64) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	p := &sc.progress
	p.Done = done
	p.Elapsed = time.Since(sc.began)
	p.Remaining = 0
	if now := done - sc.beganDone; now > 0 {
		p.Remaining = time.Duration(float64(p.Elapsed) * (1 - done) / now)
	}
	p.Rate = float64(p.Contents+p.Messages) / 2 / p.Elapsed.Seconds()
	if sc.options.Progress != nil {
		sc.options.Progress(*p)
	}
}
