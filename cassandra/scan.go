package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

// A scan compares all mailboxes without asking for any of them by itself. It
// reads each table once, by stretches of the ring of tokens:
//
//  1. the content, without the content itself: what of it is complete is noted
//     in memory, at 10 octets a message;
//  2. the mailboxes' own rows, which say what buckets and gaps there are;
//  3. the memberships and the index side by side, which have the same key, so
//     that they come in the same order.
//
// What these say cannot be compared to the microsecond, since mail comes and goes
// meanwhile. So it makes suspects only: each of them is looked at by itself then,
// in every data centre, as the repair of one mailbox does it.
//
// Where there is more mail than fits into memory, all of this is done in rounds,
// each for a share of the content: the memberships are read in each round.

// ScanOptions says how VerifyAll and RepairAll go through all mailboxes.
type ScanOptions struct {
	RepairOptions

	// Only limits the scan to findings of one kind. "" means all.
	Only FindingKind

	// Resume goes on where an earlier scan ended: [Progress.Resume] of its last
	// progress. "" begins at the beginning.
	Resume string

	// Rate is how many messages a second are read of each table, so that the
	// scan leaves the cluster to its users. 0 means as many as it takes.
	Rate int

	// Ranges is how many ranges of a table are read side by side. 0 means 4.
	Ranges int

	// Hold is for how many messages it is held in memory whether their content
	// is complete, at 10 octets each. Where there are more, the memberships are
	// read several times. 0 means 8,000,000.
	Hold int

	// Found hears of each finding, in a report of its own; Progress of the scan
	// after each of its steps. They may be nil, and are called one at a time.
	Found    func(Report)
	Progress func(Progress)
}

// Progress is how far a scan has come.
type Progress struct {
	Mailboxes int // that were looked at
	Messages  int // in them, and not marked as removed
	Contents  int // messages whose content was looked at
	Findings  int
	Mended    int
	Postponed int
	Failed    int // messages and buckets that could not be looked at; a later scan finds them again

	Done      float64       // of the whole, 0 to 1
	Elapsed   time.Duration // of this scan
	Remaining time.Duration // at this pace; 0 where it cannot be told yet
	Rate      float64       // messages a second, of this scan
	Resume    string        // for [ScanOptions.Resume]: everything before it is done
}

// VerifyAll is [Store.Verify] of all mailboxes, and finds content that is in
// none. It can be interrupted and resumed. The error is that of the context, or
// of a range that could not be read; what was done before is in the progress.
func (s *Store) VerifyAll(ctx context.Context, options ScanOptions) (Progress, error) {
	return (&scan{store: s, options: options}).run(ctx)
}

// RepairAll is [Store.Repair] of all mailboxes, as VerifyAll goes through them.
// Whatever wants a second look waits for it while the scan goes on; where it ends
// before that, [Progress.Resume] is a place before what waits.
func (s *Store) RepairAll(ctx context.Context, options ScanOptions) (Progress, error) {
	return (&scan{store: s, options: options, mends: true}).run(ctx)
}

// scan is one run through the ring.
type scan struct {
	store   *Store
	options ScanOptions
	mends   bool // what it finds
	rested  bool // the replication: what is missing may be taken for gone
	relists bool // what is not listed, and does nothing else: a rebuild of the index

	place    scanPlace
	resumed  bool // the round was begun by an earlier run
	contents *contents
	known    *knownBuckets
	later    laterLooks

	began     time.Time
	beganDone float64

	mu       sync.Mutex
	progress Progress
}

// scanPlace is how far a scan has come: its round is for the content in the parts
// first to last, last not included, and has seen the memberships of the parts
// before part.
type scanPlace struct{ first, last, part int }

// String is the form that goes on.
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

// done is the share of the whole.
func (p scanPlace) done() float64 {
	memberships := float64(p.part) / ringParts
	if p.last == p.first {
		memberships = 0
	}
	return (float64(p.first) + float64(p.last-p.first)*(1+memberships)/2) / ringParts
}

func (sc *scan) run(ctx context.Context) (Progress, error) {
	o := &sc.options
	o.Ranges = max(1, cmp.Or(o.Ranges, 4))
	o.Hold = max(1, cmp.Or(o.Hold, 8_000_000))
	place, err := parsePlace(o.Resume)
	if err != nil {
		return Progress{}, fmt.Errorf("cassandra: scan: %w", err)
	}
	sc.place, sc.resumed = place, place.part > 0
	sc.began, sc.beganDone = time.Now(), place.done()
	sc.progress.Resume = place.String()
	err = sc.rest(ctx)
	for err == nil && sc.place.first < ringParts {
		err = sc.round(ctx)
	}
	for err == nil && sc.later.len() > 0 {
		err = sc.lookAgain(ctx, 0)
	}
	if err != nil {
		return sc.progress, fmt.Errorf("cassandra: scan: %w", err)
	}
	sc.advance()
	return sc.progress, nil
}

// round compares the memberships with the content of some parts of the ring, as
// much as may be held.
func (sc *scan) round(ctx context.Context) (err error) {
	p := &sc.place
	last, hold := ringParts, sc.options.Hold
	if p.last > p.first { // of an earlier run: the same content again
		last, hold = p.last, math.MaxInt
	}
	begin := *p
	sc.contents, p.last, err = sc.store.readContents(ctx, p.first, last, hold, sc.options.Ranges, func(messages, next int) error {
		sc.mu.Lock()
		sc.progress.Contents += messages
		sc.mu.Unlock()
		if begin.last == begin.first {
			sc.tell(scanPlace{begin.first, next, 0}.done())
		}
		return sc.pace(ctx)
	})
	if err != nil {
		*p = begin
		return err
	}
	for p.part < ringParts {
		if sc.known, err = sc.store.readKnown(ctx, p.part, sc.options.Ranges); err != nil {
			return err
		}
		for p.part < sc.known.until {
			if err := sc.parts(ctx, min(sc.options.Ranges, sc.known.until-p.part)); err != nil {
				return err
			}
		}
	}
	if err := sc.homeless(ctx); err != nil {
		return err
	}
	*p = scanPlace{first: p.last, last: p.last}
	sc.resumed = false
	sc.advance()
	return nil
}

// parts compares the memberships of some parts of the ring, side by side.
func (sc *scan) parts(ctx context.Context, many int) error {
	err := parallel.Each(many, many, func(i int) error {
		return sc.compareTokens(ctx, partTokens(sc.place.part+i))
	})
	if err != nil {
		return err
	}
	next := sc.place.part + many
	if err := sc.orphans(ctx, sc.contents.unwanted(sc.place.part, next)); err != nil {
		return err
	}
	if sc.place.first == 0 {
		sc.countMailboxes(sc.place.part, next)
	}
	sc.place.part = next
	if err := sc.lookAgain(ctx, waitingLooks); err != nil {
		return err
	}
	sc.advance()
	return sc.pace(ctx)
}

// countMailboxes counts the mailboxes whose first bucket is in some parts.
func (sc *scan) countMailboxes(from, to int) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for _, bucket := range sc.known.in(tokens{partEnd(from - 1), partEnd(to - 1)}) {
		if bucket.first {
			sc.progress.Mailboxes++
		}
	}
}

// fail notes something that could not be looked at: err, which may be nil. The
// scan goes on without it.
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

// pace waits where the scan is ahead of its rate, which is that of either table.
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

// advance notes the place, and that what is before it is done, but for what waits
// for a second look.
func (sc *scan) advance() {
	done := sc.place
	if first, ok := sc.later.first(); ok && first.before(done) {
		done = first
	}
	sc.mu.Lock()
	sc.progress.Resume = done.String()
	sc.mu.Unlock()
	sc.tell(sc.place.done())
}

// tell tells the progress.
func (sc *scan) tell(done float64) {
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
