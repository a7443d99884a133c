package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// A mailbox through which much mail passed is full of tombstones for as long as
// gc_grace_seconds, and a read that meets 100,000 of them fails. A gap is a range
// of IDs that is proven to be empty and to stay so, and that no session reads
// any more: it keeps the cost of opening a mailbox at what is in it (P7).
//
// No clock can prove that: the IDs of deliveries that are under way are older
// than they look, and a virtual machine may be frozen for as long as it likes.
// So the proof begins with a fence:
//
//  1. write the end of the range as the mailbox's fence, in every data centre;
//  2. read the memberships of the range in every data centre;
//  3. record as gaps the stretches without one.
//
// A delivery looks at the fences after its membership is acknowledged. Quorums
// intersect in the data centre of the delivery: either the reading of step 2 saw
// the membership, or the delivery sees the fence, and is not acknowledged.
// Fences and gaps only grow, and are never deleted.

const (
	// gapsOfABucket is how many gaps may begin in one bucket, ever: it bounds
	// the mailbox's own partition, whose rows are never deleted. Where a bucket
	// is full, as of a mailbox whose mail is left on the server, what is removed
	// between messages that stay is read for as long as its tombstones are there.
	gapsOfABucket = 32

	// Each gap costs the listing a statement, so that there are at most
	// fewGaps, and one more for so many messages that are there.
	fewGaps        = 16
	messagesPerGap = 64
)

// proveInBackground is [Store.prove] as the provers call it.
func (s *Store) proveInBackground(ctx context.Context, user string) {
	if err := s.prove(ctx, user); err != nil && ctx.Err() == nil {
		s.config.OnError(fmt.Errorf("cassandra: prove what is empty in the mailbox of %q: %w", user, err))
	}
}

// prove records what of a mailbox is empty, where the last fence is old enough.
// The last gap may end long before it: there is not room for each of them.
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

// checkClock sees to it that no fence is written above the clock of a node: from
// a host whose clock is years ahead, one would refuse all mail for years, since
// fences are never taken back.
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

// writeFence is step 1. The timestamp is the value, so that the highest fence
// wins in any order.
func (s *Store) writeFence(ctx context.Context, mailbox MailboxID, end int64) error {
	return s.db.Exec(ctx, cql.EachQuorum, insertRange, end, [16]byte(mailbox), kindFence, int64(0), end)
}

// emptySpans is step 2: the stretches of the buckets that ever got mail, up to
// end, in which no data centre has a membership, and how many there are. One
// that is marked as removed is none: it is not listed and never will be.
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

// worthwhile chooses, of the stretches that are empty, the longest, and the last
// one, which is the one that will grow.
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

// recordGaps is step 3. What is empty includes the gaps that there were. A gap
// that grows is written over the row that it had; the timestamp is its end, so
// that the longest wins in any order.
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

// beginGap is where a gap may begin at the earliest, from a time on: in a bucket
// that is full of gaps only where one began before.
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
