package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

// A scan compares all mailboxes, part by part of the ring:
//
//  1. It reads the memberships and the index at the same time: they have the
//     same partition key, and so come in the same order. It reads the row of
//     each bucket and counts the chunks of each message, by their keys.
//  2. It reads the content, without its data, and the membership of each
//     message by its key: content without membership is found so.
//
// So it reads everything once, and its work grows with what there is; its memory
// does not. Mail is delivered and removed meanwhile: what does not fit is
// examined by itself, in every data centre, as the repair of one mailbox does
// it.

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

	// instead, if not nil, is done with the messages of each mailbox, some at a
	// time, and nothing else.
	instead func(context.Context, []pair) error

	place scanPlace
	later laterLooks

	began     time.Time
	beganDone float64

	mu         sync.Mutex
	progress   Progress
	incomplete map[MessageID]bool // found in the first half: see homeless
}

func (sc *scan) run(ctx context.Context) (Progress, error) {
	o := &sc.options
	o.Ranges = max(1, cmp.Or(o.Ranges, 4))
	place, err := parsePlace(o.Resume)
	if err != nil {
		return Progress{}, fmt.Errorf("cassandra: scan: %w", err)
	}
	sc.place = place
	if place == (scanPlace{}) {
		sc.incomplete = make(map[MessageID]bool)
	}
	sc.began, sc.beganDone = time.Now(), place.done()
	sc.progress.Resume = place.String()
	for err == nil && !sc.place.atEnd(sc.instead != nil) {
		err = sc.step(ctx)
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

// step goes through the next parts of the ring, all of them at the same time.
func (sc *scan) step(ctx context.Context) error {
	many := min(sc.options.Ranges, ringParts-sc.place.part)
	crowded := new(crowdedTokens)
	err := parallel.Each(many, many, func(i int) error {
		stretch := partTokens(sc.place.part + i)
		if sc.place.contents {
			return sc.readContents(ctx, stretch)
		}
		return sc.compare(ctx, stretch, crowded)
	})
	if err == nil {
		err = sc.compareCrowded(ctx, crowded)
	}
	if err != nil {
		return err
	}
	sc.place = sc.place.after(many)
	if err := sc.lookAgain(ctx, waitingLooks); err != nil {
		return err
	}
	sc.advance()
	return sc.pace(ctx)
}
