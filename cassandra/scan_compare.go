package cassandra

import (
	"context"
	"errors"
	"iter"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// groupsAtOnce is how many groups of messages each of [ScanOptions.Ranges]
// compares at the same time.
const groupsAtOnce = 8

// compare compares the memberships and the index in a range of the ring.
func (sc *scan) compare(ctx context.Context, stretch tokens, crowded *crowdedTokens) error {
	if err := sc.countMailboxes(ctx, stretch); err != nil {
		return err
	}
	s := sc.store
	seq := pairs(s.membersIn(ctx, stretch, crowded), s.listedIn(ctx, stretch, crowded))
	readable := func(yield func(pair, error) bool) {
		for p, err := range seq {
			if err == nil && crowded.has(p.token()) { // only one of the two could be read
				continue
			}
			if !yield(p, err) {
				return
			}
		}
	}
	return sc.compareGroups(ctx, readable)
}

// compareCrowded compares the buckets that could not be read as a part of the
// ring, in slices of time.
func (sc *scan) compareCrowded(ctx context.Context, crowded *crowdedTokens) error {
	s := sc.store
	unknown, err := s.eachCrowded(ctx, crowded.take(), func(key bucketKey, _ MessageID) error {
		return sc.compareGroups(ctx, s.bucketPairs(ctx, cql.EachQuorum, key, []Slice{BucketSlice(key.bucket)}))
	})
	for range unknown {
		err = errors.Join(err, sc.fail(ctx, errors.New("a bucket that is in no ledger has too many tombstones")))
	}
	return err
}

// compareGroups compares messages, several groups at the same time.
func (sc *scan) compareGroups(ctx context.Context, seq iter.Seq2[pair, error]) error {
	window := parallel.NewWindow(groupsAtOnce)
	defer window.Wait()
	var last bucketKey
	for group, err := range groups(seq) {
		if err != nil {
			return err
		}
		first := group[0].bucketKey != last
		last = group[0].bucketKey
		window.Run(func() { sc.fail(ctx, sc.compareGroup(ctx, group, first)) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// compareGroup compares some messages of one bucket with their content, and
// handles what does not fit. first reports whether they are the first ones of
// the bucket.
func (sc *scan) compareGroup(ctx context.Context, group []pair, first bool) error {
	key := group[0].bucketKey
	live := 0
	for _, p := range group {
		if p.member.isMember() {
			live++
		}
	}
	sc.mu.Lock()
	sc.progress.Messages += live
	sc.mu.Unlock()
	if sc.instead != nil {
		return sc.instead(ctx, group)
	}
	l, err := sc.store.readBucketRow(ctx, cql.EachQuorum, key)
	if err != nil {
		return err
	}
	of := Report{Mailbox: key.mailbox, User: l.user}
	if first && l.lacks(key.bucket) {
		if err := sc.handle(ctx, sc.place, of, verdict{kind: NoBucket, bucket: key.bucket}); err != nil {
			return err
		}
	}
	verdicts, err := sc.store.judgeGroup(ctx, &l, group)
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		if err := sc.handle(ctx, sc.place, of, v); err != nil {
			return err
		}
	}
	return nil
}

// countMailboxes counts the mailboxes whose ledgers are in a range of the ring.
func (sc *scan) countMailboxes(ctx context.Context, stretch tokens) error {
	return cql.Each(ctx, sc.store.db, cql.EachQuorum, selectMailboxes, func(cql.Row) error {
		sc.mu.Lock()
		defer sc.mu.Unlock()
		sc.progress.Mailboxes++
		return nil
	}, stretch.after, stretch.until)
}
