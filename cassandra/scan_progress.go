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

// scanPlace is where a scan is: before a part of the ring, in its first half,
// which reads the mailboxes, or in its second half, which reads the content.
type scanPlace struct {
	contents bool
	part     int
}

// String returns the form for [ScanOptions.Resume].
func (p scanPlace) String() string {
	if p.contents {
		return fmt.Sprintf("content %d", p.part)
	}
	return fmt.Sprintf("mailboxes %d", p.part)
}

func parsePlace(text string) (p scanPlace, err error) {
	if text == "" {
		return p, nil
	}
	var half string
	_, err = fmt.Sscanf(text, "%s %d", &half, &p.part)
	p.contents = half == "content"
	if err != nil || p.String() != text || p.part < 0 || p.part > ringParts {
		return p, fmt.Errorf("%q is not where a scan can go on", text)
	}
	return p, nil
}

// after returns the place so many parts later.
func (p scanPlace) after(parts int) scanPlace {
	if p.part += parts; p.part >= ringParts && !p.contents {
		return scanPlace{contents: true}
	}
	return p
}

// atEnd reports whether nothing is left to read.
func (p scanPlace) atEnd(onlyMailboxes bool) bool {
	return p.contents && (p.part >= ringParts || onlyMailboxes)
}

func (p scanPlace) before(other scanPlace) bool { return p.done() < other.done() }

// done returns the share of the whole that is done at this place.
func (p scanPlace) done() float64 {
	done := float64(p.part) / ringParts / 2
	if p.contents {
		done += 0.5
	}
	return done
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
