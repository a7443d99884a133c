package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// Rebuild adds to the index every message that is in the mailbox of a user and
// whose content is complete, if the index does not have it. It returns the
// number of these messages. It is for an index that has lost its table, or for
// a new one: unlike [Store.Repair] it adds young messages too.
//
// It does not list messages that are removed or marked as removed, since its
// writes carry the timestamps of the IDs. It reads every data centre, and may
// run at the same time as deliveries and sessions, and again at any time.
func (s *Store) Rebuild(ctx context.Context, user string) (listed int, err error) {
	id, canonical, err := s.Mailbox(user)
	if err != nil {
		return 0, fmt.Errorf("cassandra: rebuild: %w", err)
	}
	l, err := s.readLedger(ctx, cql.EachQuorum, id)
	if err == nil {
		listed, err = s.rebuildBuckets(ctx, id, s.bucketsToSurvey(&l))
	}
	if err != nil {
		return listed, fmt.Errorf("cassandra: rebuild the index of %q: %w", canonical, temporary(err))
	}
	return listed, nil
}

func (s *Store) rebuildBuckets(ctx context.Context, mailbox MailboxID, buckets []int64) (listed int, err error) {
	for _, bucket := range buckets {
		for group, err := range groups(s.bucketPairs(ctx, cql.EachQuorum, bucketKey{mailbox, bucket}, []Slice{BucketSlice(bucket)})) {
			if err != nil {
				return listed, err
			}
			unlisted, err := s.unlisted(ctx, group)
			if err != nil {
				return listed, err
			}
			n, err := s.relistAll(ctx, mailbox, unlisted)
			listed += n
			if err != nil {
				return listed, err
			}
		}
	}
	return listed, nil
}

// unlisted returns the messages that are in the mailbox and whose content is
// complete, but that the index does not have.
func (s *Store) unlisted(ctx context.Context, group []pair) (list []*memberRow, err error) {
	messages := slices.DeleteFunc(slices.Clone(group), func(p pair) bool { return !p.member.isMember() || p.entry != nil })
	found := make([]contentCount, len(messages))
	err = parallel.Each(lookers, len(messages), func(i int) (err error) {
		found[i], err = s.countContent(ctx, cql.EachQuorum, messages[i].id)
		return err
	})
	for i, content := range found {
		if content.complete() {
			list = append(list, messages[i].member)
		}
	}
	return list, err
}

// RebuildAll is Rebuild for all mailboxes, as a scan like [Store.VerifyAll].
// Mended in its progress is the number of messages that were added. It ignores
// [ScanOptions.RepairOptions] and [ScanOptions.Only].
func (s *Store) RebuildAll(ctx context.Context, options ScanOptions) (Progress, error) {
	sc := &scan{store: s, options: options}
	sc.instead = sc.relist
	return sc.run(ctx)
}

// relist adds to the index what it lacks of some messages.
func (sc *scan) relist(ctx context.Context, group []pair) error {
	unlisted, err := sc.store.unlisted(ctx, group)
	if err != nil {
		return err
	}
	n, err := sc.store.relistAll(ctx, group[0].mailbox, unlisted)
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.progress.Findings += len(unlisted)
	sc.progress.Mended += n
	return err
}

// relistAll adds messages to the index, each after another look whether it is
// still in its mailbox. A removal that comes between the two wins, by its
// timestamp.
func (s *Store) relistAll(ctx context.Context, mailbox MailboxID, messages []*memberRow) (listed int, err error) {
	var done atomic.Int64
	err = parallel.Each(lookers, len(messages), func(i int) error {
		err := s.relist(ctx, mailbox, &Finding{ID: messages[i].id}, messages[i].size)
		switch {
		case err == nil:
			done.Add(1)
		case errors.Is(err, errRemoved):
			return nil
		}
		return err
	})
	return int(done.Load()), err
}
