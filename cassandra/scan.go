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

// A scan compares all mailboxes. It reads each table once, by ranges of tokens:
//
//  1. the content, without its data: which messages are complete is held in
//     memory, at 10 octets a message;
//  2. the ledgers, with the buckets and the gaps of the mailboxes;
//  3. the memberships and the index at the same time: they have the same
//     partition key, and so come in the same order.
//
// Mail is delivered and removed meanwhile, so that what does not fit is only
// suspect. Each suspect is then examined by itself, in every data centre, as
// the repair of one mailbox does it.
//
// If there is more mail than fits into memory, the scan has several rounds,
// each for a share of the content. Memberships and index are read in each
// round.

// ScanOptions says how VerifyAll and RepairAll go through all mailboxes.
type ScanOptions struct {
	RepairOptions

	// Only limits the scan to findings of one kind. "" means all kinds.
	Only FindingKind

	// Resume is the [Progress.Resume] of an earlier scan that did not end: the
	// scan goes on from there. "" begins at the beginning.
	Resume string

	// Rate is how many messages a second the scan reads of each table, so that
	// it leaves the cluster to its users. 0 means no limit.
	Rate int

	// Ranges is how many ranges of a table are read at the same time. 0 means
	// 4.
	Ranges int

	// Hold is how many messages of content are held in memory, at 10 octets
	// each. If there are more, the memberships are read several times. 0 means
	// 8,000,000.
	Hold int

	// Found is called with each finding, in a report of its own, and Progress
	// after each step of the scan. They are called one at a time. nil means
	// none.
	Found    func(Report)
	Progress func(Progress)
}

// VerifyAll is [Store.Verify] for all mailboxes. It also finds content without
// membership. It can be interrupted, and resumed with the progress that it
// returns. Its error is that of ctx, or of a range that could not be read.
func (s *Store) VerifyAll(ctx context.Context, options ScanOptions) (Progress, error) {
	return (&scan{store: s, options: options}).run(ctx)
}

// RepairAll is [Store.Repair] for all mailboxes, as a scan like VerifyAll. A
// finding that needs a second look waits while the scan goes on. If the scan is
// interrupted, its [Progress.Resume] is before the findings that wait.
func (s *Store) RepairAll(ctx context.Context, options ScanOptions) (Progress, error) {
	return (&scan{store: s, options: options, mends: true}).run(ctx)
}

// scan is one run through the ring. Its fields that are not guarded by mu
// change only between steps.
type scan struct {
	store   *Store
	options ScanOptions
	mends   bool // it mends what it finds
	rested  bool // the replication has not changed: what is missing everywhere is gone
	relists bool // it adds to the index and does nothing else: for RebuildAll

	place    scanPlace
	resumed  bool // an earlier run has begun the round
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

// round compares all memberships with as much of the content as may be held in
// memory.
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

// holdContents reads the content of a round into memory: as much as may be held
// or, if an earlier run began the round, the same content again.
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

// compareParts compares the memberships of the next parts of the ring, all of
// them at the same time.
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
