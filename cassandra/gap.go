package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// A gap is a range of IDs that no message of a mailbox has, now and forever.
// No session reads it, so that opening a mailbox costs what is in it (P7): a
// mailbox through which much mail passed is full of tombstones for
// gc_grace_seconds, and a read that meets 100,000 of them fails.
//
// No clock can prove that a range is empty. The ID of a delivery that is under
// way may be old, since the process may have been frozen for any time. So the
// proof begins with a fence:
//
//  1. write the end of the range as the mailbox's fence, in every data centre;
//  2. read the memberships of the range, in every data centre;
//  3. record as gaps the parts of the range that have no membership.
//
// A delivery reads the fence after its membership is acknowledged. Quorums
// intersect in the data centre of the delivery: either step 2 reads the
// membership, or the delivery reads the fence, and is not acknowledged. Fences
// and gaps only grow, and are never deleted.

const (
	// gapsOfABucket is how many gaps may ever begin in one bucket. It bounds
	// the ledger, whose rows are never deleted. If a bucket is full, which
	// happens if mail is left on the server, the tombstones between the
	// messages that stay are read until Cassandra drops them.
	gapsOfABucket = 32

	// Each gap costs the listing a statement, so there are at most fewGaps of
	// them, and one more for every messagesPerGap messages in the mailbox.
	fewGaps        = 16
	messagesPerGap = 64
)

// proveInBackground is prove for the provers.
func (s *Store) proveInBackground(ctx context.Context, user string) {
	if err := s.prove(ctx, user); err != nil && ctx.Err() == nil {
		s.config.OnError(fmt.Errorf("cassandra: prove what is empty in the mailbox of %q: %w", user, err))
	}
}

// prove records which ranges of a mailbox are empty, if the last fence is at
// least GapInterval below the new one. The fence counts, not the end of the
// last gap: not every gap is recorded.
func (s *Store) prove(ctx context.Context, user string) error {
	if s.config.GapInterval < 0 {
		return nil
	}
	id, _, err := s.Mailbox(user)
	if err != nil {
		return err
	}
	end := s.config.Now().Add(-s.config.Horizon).UnixMicro()
	due := end - s.config.GapInterval.Microseconds()
	if known, ok := s.ledgers.get(id); ok && known.fence > due {
		return nil
	}
	ledger, err := s.readLedger(ctx, cql.LocalQuorum, id)
	if err != nil {
		return err
	}
	s.ledgers.put(id, ledger)
	if ledger.fence > due || len(ledger.buckets) == 0 {
		return nil
	}
	if rested, err := s.session.replicationRested(ctx); err != nil || !rested {
		return err
	}
	if err := s.checkClock(ctx, end); err != nil {
		return err
	}
	if err := s.writeFence(ctx, id, end); err != nil {
		return err
	}
	empty, live, err := s.emptySpans(ctx, id, ledger, end)
	if err != nil {
		return err
	}
	if err := s.recordGaps(ctx, id, ledger, worthwhile(empty, live)); err != nil {
		return err
	}
	if ledger, err = s.readLedger(ctx, cql.LocalQuorum, id); err == nil {
		s.ledgers.put(id, ledger)
	}
	return err
}

// checkClock returns an error if a fence would lie above the clock of a node. A
// host whose clock is years ahead would otherwise refuse all mail for years,
// since fences are never taken back.
func (s *Store) checkClock(ctx context.Context, end int64) error {
	now, err := s.session.cluster.Clock(ctx)
	if err != nil {
		return err
	}
	if ahead := time.UnixMicro(end).Sub(now); ahead > 0 {
		return fmt.Errorf("the clock of this host is %s ahead of a node's: nothing is proven until they agree", (ahead + s.config.Horizon).Round(time.Second))
	}
	return nil
}

// writeFence is step 1. The timestamp is the fence itself, so that the highest
// fence wins in any order.
func (s *Store) writeFence(ctx context.Context, mailbox MailboxID, end int64) error {
	return s.db.Exec(ctx, cql.EachQuorum, insertRange, end, [16]byte(mailbox), kindFence, int64(0), end)
}

// emptySpans is step 2. It returns the parts of the mailbox, from its first
// bucket to end, in which no data centre has a membership, and the number of
// memberships. A membership that is marked as removed does not count: it is
// never listed again.
func (s *Store) emptySpans(ctx context.Context, mailbox MailboxID, ledger ledgerRows, end int64) (empty []span, live int, err error) {
	begin := s.session.bucketSlice(ledger.buckets[0]).From
	var occupied []span
	for bucket := ledger.buckets[0]; s.session.bucketSlice(bucket).From <= end; bucket++ {
		whole := s.session.bucketSlice(bucket)
		whole.To = min(whole.To, end)
		for _, slice := range whole.without(ledger.gaps) {
			members, err := s.readMembers(ctx, mailbox, slice)
			if err != nil {
				return nil, 0, err
			}
			for _, m := range members {
				if t := m.id.Timestamp(); !m.removed {
					occupied = append(occupied, span{t, t})
				}
			}
		}
	}
	return subtract(span{begin, end}, merge(occupied)), len(occupied), nil
}

// worthwhile returns the longest of the empty spans, and always the last one,
// which will grow.
func worthwhile(empty []span, live int) []span {
	most := fewGaps + live/messagesPerGap
	if len(empty) <= most {
		return empty
	}
	last := empty[len(empty)-1]
	slices.SortFunc(empty, func(a, b span) int { return cmp.Compare(b.to-b.from, a.to-a.from) })
	chosen := empty[:most]
	if !slices.Contains(chosen, last) {
		chosen[most-1] = last
	}
	return chosen
}

// recordGaps is step 3. The new gaps include the old ones. A gap that grows is
// written into the row that it had; the timestamp is its end, so that the
// longest wins in any order.
func (s *Store) recordGaps(ctx context.Context, mailbox MailboxID, ledger ledgerRows, gaps []span) error {
	begun := make(map[int64]int) // by bucket
	for start := range ledger.gapStarts {
		begun[s.session.bucketAt(time.UnixMicro(start))]++
	}
	for _, gap := range gaps {
		gap.from = s.beginGap(gap.from, ledger.gapStarts, begun)
		if gap.from > gap.to || slices.Contains(ledger.gaps, gap) {
			continue
		}
		if _, grows := ledger.gapStarts[gap.from]; !grows {
			begun[s.session.bucketAt(time.UnixMicro(gap.from))]++
		}
		if err := s.db.Exec(ctx, cql.LocalQuorum, insertRange, gap.to, [16]byte(mailbox), kindGap, gap.from, gap.to); err != nil {
			return err
		}
	}
	return nil
}

// beginGap returns where a gap may begin at the earliest, at or after from. In
// a bucket that is full of gaps, it may only begin where one has begun before.
func (s *Store) beginGap(from int64, starts map[int64]struct{}, begun map[int64]int) int64 {
	for {
		bucket := s.session.bucketAt(time.UnixMicro(from))
		if _, grows := starts[from]; grows || begun[bucket] < gapsOfABucket {
			return from
		}
		next := s.session.bucketSlice(bucket).To + 1
		for start := range starts {
			if start > from {
				next = min(next, start)
			}
		}
		from = next
	}
}
