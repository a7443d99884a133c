package cassandra

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// How a bucket is sealed. No clock can prove that a message will not come: the
// ID of a delivery that is under way may be old, since the process may have
// been frozen for any time. So a proof begins with a fence:
//
//  1. write the end of the seal as the mailbox's fence, on every replica;
//  2. read the row of the bucket, then its memberships and its index, on every
//     replica;
//  3. write the seal, with what was read and `opened` as it was read; if
//     nothing was read, and the bucket's time is over, delete the row instead.
//
// A delivery reads the fence after its membership is acknowledged. Quorums
// intersect in the data centre of the delivery: either step 2 reads the
// membership, or the delivery reads the fence, and is not acknowledged. No
// clock, pause or frozen machine breaks that. A replica that forgets would:
// that is why steps 1 and 2 are at ALL. A proof that cannot have ALL waits,
// which costs time only.

// A removal of n messages asks for a look at the mailbox if n/u, with u drawn
// from 0 to 1, is at least [Config.SealAfter]; on average that is once in so
// many removals, and nobody has to count. The look seals a bucket if what stays
// in it is at most keptShare/SealAfter of the number that was drawn.
const keptShare = 25

// weight returns n/u for a removal. It is the same whenever the same messages
// are removed.
func weight(ids []MessageID) float64 {
	var bits uint64
	for _, id := range ids {
		bits ^= id.chance()
	}
	return float64(len(ids)) * (1 << 40) / float64(bits+1)
}

// tooManyTombstones is the weight of a slice that could not be read in one
// piece: a node allows so many tombstones by default.
const tooManyTombstones = 100_000

// proveAfter asks for a look at the mailbox, if a removal of this weight is
// worth it.
func (s *Store) proveAfter(user string, weight float64, buckets []int64) {
	if after := s.config.SealAfter; after >= 0 && weight >= float64(after) {
		s.provers.want(job{user: user, weight: weight, buckets: buckets})
	}
}

// proveInBackground is prove for the provers. A proof that fails, or has to
// wait, is done when the mailbox is opened again.
func (s *Store) proveInBackground(ctx context.Context, j job) {
	switch err := s.prove(ctx, j); {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, errBreakerOpen), errors.Is(err, errNotRested), errors.Is(err, errTooSoon):
		s.provers.remember(j)
	default:
		s.provers.remember(j)
		s.config.OnError(fmt.Errorf("cassandra: seal the mailbox of %q: %w", j.user, err))
	}
}

// prove seals the buckets of a mailbox that are worth it.
func (s *Store) prove(ctx context.Context, j job) error {
	if s.provable.isOpen() {
		return errBreakerOpen
	}
	mailbox, _, err := s.Mailbox(j.user)
	if err != nil {
		return err
	}
	l, err := s.readLedger(ctx, cql.LocalQuorum, mailbox)
	if err == nil {
		err = s.checkDue(s.config.Now().Add(-s.config.Horizon).UnixMicro(), &l)
	}
	if err != nil {
		return err
	}
	buckets, err := s.worthSealing(ctx, mailbox, &l, j)
	if err != nil || len(buckets) == 0 {
		return err
	}
	end, err := s.proofEnd(ctx)
	if err == nil {
		err = s.checkDue(end, &l)
	}
	if err != nil {
		return err
	}
	err = s.sealBuckets(ctx, mailbox, buckets, end)
	s.provable.note(err)
	return err
}

// errTooSoon says that the last proof reached almost as far as this one would.
var errTooSoon = errors.New("the mailbox was sealed a moment ago")

// checkDue returns errTooSoon if a proof up to an end is not worth it.
func (s *Store) checkDue(end int64, l *ledger) error {
	if end < l.fence+s.config.Horizon.Microseconds()/4 {
		return errTooSoon
	}
	return nil
}

// worthSealing returns the buckets, of those from which messages were removed
// and those whose time is over, that keep few messages. One that is sealed up to
// its end needs no other seal, but if nothing is left in it, its row goes.
func (s *Store) worthSealing(ctx context.Context, mailbox MailboxID, l *ledger, j job) (buckets []int64, err error) {
	now := s.config.Now()
	over := now.Add(-s.config.Horizon).UnixMicro()
	kept := int(min(sealedIDs, j.weight*keptShare/float64(max(1, s.config.SealAfter))))
	for _, row := range l.buckets {
		most := kept
		if !slices.Contains(j.buckets, row.bucket) {
			last := BucketSlice(row.bucket).To
			if last > over {
				continue
			}
			if sealed := row.sealed(); sealed != nil && sealed.until >= last {
				most = 0
			}
		}
		listed := 0
		for _, err := range s.index.List(ctx, cql.LocalQuorum, mailbox, row.slices(now, math.MinInt64)) {
			if err != nil {
				return nil, err
			}
			if listed++; listed > most {
				break
			}
		}
		if listed <= most {
			buckets = append(buckets, row.bucket)
		}
	}
	return buckets, nil
}

// proofEnd returns up to where a proof may reach: [Config.Horizon] before the
// earlier of this host's and a node's clock. It returns an error if the clocks
// are too far apart, or if the replication of the keyspace was changed lately:
// a delivery could read a fence at replicas that do not have it yet.
func (s *Store) proofEnd(ctx context.Context) (end int64, err error) {
	node, err := s.session.clock(ctx)
	if err != nil {
		return 0, err
	}
	rested, err := s.session.replicationRested(ctx, node)
	switch {
	case err != nil:
		return 0, err
	case !rested:
		return 0, errNotRested
	}
	earlier := min(node.UnixMicro(), s.config.Now().UnixMicro())
	return earlier - s.config.Horizon.Microseconds(), nil
}

// clock returns the time by the clock of a node, or an error if it differs from
// that of this host by more than [Config.Horizon].
func (s *Session) clock(ctx context.Context) (time.Time, error) {
	node, err := s.cluster.Clock(ctx)
	if err != nil {
		return node, err
	}
	if apart := s.config.Now().Sub(node); apart.Abs() > s.config.Horizon {
		return node, fmt.Errorf("the clocks of this host and of a node are %s apart: nothing is proven until they agree", apart.Abs().Round(time.Second))
	}
	return node, nil
}

// errNotRested says that the replication of the keyspace was changed lately.
var errNotRested = errors.New("the replication of the keyspace was changed less than Config.ReplicationRest ago")

// sealBuckets does the three steps.
func (s *Store) sealBuckets(ctx context.Context, mailbox MailboxID, buckets []int64, end int64) error {
	if err := s.writeFence(ctx, mailbox, end); err != nil {
		return err
	}
	l, err := s.readRows(ctx, cql.All, mailbox, buckets...)
	if err != nil {
		return err
	}
	for i := range l.buckets {
		if err := s.sealBucket(ctx, mailbox, &l.buckets[i], end); err != nil {
			return err
		}
	}
	return nil
}

// writeFence is step 1. The timestamp is the fence itself, so that the highest
// fence wins in any order.
func (s *Store) writeFence(ctx context.Context, mailbox MailboxID, end int64) error {
	return s.db.Exec(ctx, cql.All, insertFence, end, [16]byte(mailbox), ownRow, end)
}

// sealBucket is steps 2 and 3, after the row was read. The timestamp of what it
// writes is the fence, so that the latest proof wins in any order.
func (s *Store) sealBucket(ctx context.Context, mailbox MailboxID, row *ledgerRow, end int64) error {
	whole := BucketSlice(row.bucket)
	if whole.From > end {
		return nil
	}
	kept, err := s.survivors(ctx, mailbox, row, end)
	switch {
	case err != nil || len(kept) > sealedIDs:
		return err
	case len(kept) == 0 && whole.To <= end:
		s.met.emptied.Add(1)
		return s.db.Exec(ctx, cql.LocalQuorum, deleteBucket, end, [16]byte(mailbox), row.bucket)
	}
	s.met.sealed.Add(1)
	made := seal{until: end, opened: row.opened, ids: kept}
	return s.db.Exec(ctx, cql.LocalQuorum, insertSeal, end, [16]byte(mailbox), row.bucket, made.blob())
}

// survivors reads, on every replica, which messages of a bucket up to the end
// may ever be listed again: those that have a membership or are in the index.
// It first finishes the removal of those that are marked.
func (s *Store) survivors(ctx context.Context, mailbox MailboxID, row *ledgerRow, end int64) (kept []MessageID, err error) {
	whole := BucketSlice(row.bucket)
	whole.To = min(whole.To, end)
	list := []Slice{whole}
	if sealed := row.sealed(); sealed != nil {
		list = whole.without(sealed)
	}
	var marked []MessageID
	for p, err := range s.bucketPairs(ctx, cql.All, bucketKey{mailbox, row.bucket}, list) {
		switch {
		case err != nil:
			return nil, err
		case p.member != nil && p.member.removed:
			marked = append(marked, p.id)
		default:
			kept = append(kept, p.id)
		}
		if len(kept) > sealedIDs {
			return kept, nil
		}
		if len(marked) == batchSize {
			if err := s.removeWholly(ctx, mailbox, marked); err != nil {
				return nil, err
			}
			marked = nil
		}
	}
	return kept, s.removeWholly(ctx, mailbox, marked)
}
