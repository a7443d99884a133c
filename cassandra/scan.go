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
	err = sc.checkRested(ctx)
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
func (sc *scan) round(ctx context.Context) error {
	if err := sc.holdContents(ctx); err != nil {
		return err
	}
	for sc.place.part < ringParts {
		known, err := sc.store.readKnown(ctx, sc.place.part, sc.options.Ranges)
		if err != nil {
			return err
		}
		sc.known = known
		for sc.place.part < known.until {
			if err := sc.compareParts(ctx, min(sc.options.Ranges, known.until-sc.place.part)); err != nil {
				return err
			}
		}
	}
	if err := sc.homeless(ctx); err != nil {
		return err
	}
	sc.place = scanPlace{first: sc.place.last, last: sc.place.last}
	sc.resumed = false
	sc.advance()
	return nil
}

// holdContents reads the content of a round: as much as may be held or, if an
// earlier run began the round, the same content again.
func (sc *scan) holdContents(ctx context.Context) error {
	place := sc.place
	begun := place.last > place.first
	last, hold := ringParts, sc.options.Hold
	if begun {
		last, hold = place.last, math.MaxInt
	}
	contents, next, err := sc.store.readContents(ctx, place.first, last, hold, sc.options.Ranges, func(messages, next int) error {
		sc.mu.Lock()
		sc.progress.Contents += messages
		sc.mu.Unlock()
		if !begun {
			sc.report(scanPlace{first: place.first, last: next}.done())
		}
		return sc.pace(ctx)
	})
	if err != nil {
		return err
	}
	sc.contents, sc.place.last = contents, next
	return nil
}

// compareParts compares the memberships of some parts of the ring, side by side.
func (sc *scan) compareParts(ctx context.Context, many int) error {
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
