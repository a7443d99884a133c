package cassandra

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

// What is too old is not listed: the listing begins at a time. It is removed as
// a session removes it, and never by a TTL: a write that is repeated would bring
// an expired row back, and the content would be gone before its listing.

// Retention implements [mailbox.Expirer]: it is [Config.Expire].
func (s *Store) Retention() time.Duration { return s.config.Expire }

// oldest returns the time, in microseconds, of the oldest message that is
// listed.
func (c *Config) oldest(now time.Time) int64 {
	if c.Expire == 0 {
		return math.MinInt64
	}
	return now.Add(-c.Expire).UnixMicro()
}

// oldestForCertain is oldest by the earlier of this host's and a node's clock:
// what is removed because of a wrong clock does not come back. It is an error if
// they are further apart than [Config.Horizon].
func (s *Store) oldestForCertain(ctx context.Context) (int64, error) {
	node, err := s.session.clock(ctx)
	if err != nil {
		return 0, err
	}
	return min(s.config.oldest(node), s.config.oldest(s.config.Now())), nil
}

// expireAfter asks for the removal of what is in some buckets, which are too old
// as a whole. Of other buckets a session would have to read the tombstones of
// what was removed before.
func (m *mailboxSession) expireAfter(buckets []int64) {
	if len(buckets) > 0 {
		m.store.expiries.want(job{user: m.user, buckets: buckets})
	}
}

// expireInBackground removes the messages of buckets that are too old, and asks
// for a proof that nothing is left in them: then they leave the ledger. If it
// fails, the next session asks again.
func (s *Store) expireInBackground(ctx context.Context, j job) {
	if err := s.expire(ctx, j); err != nil && ctx.Err() == nil {
		s.config.OnError(fmt.Errorf("cassandra: remove the messages of %q that are too old: %w", j.user, err))
	}
}

func (s *Store) expire(ctx context.Context, j job) error {
	oldest, err := s.oldestForCertain(ctx)
	if err != nil {
		return err
	}
	id, user, err := s.Mailbox(j.user)
	if err != nil {
		return err
	}
	l, err := s.readRows(ctx, cql.LocalQuorum, id, j.buckets...)
	if err != nil {
		return err
	}
	for _, row := range l.buckets {
		list := row.slices(s.config.Now(), math.MinInt64)
		for group, err := range groups(s.bucketPairs(ctx, cql.LocalQuorum, bucketKey{id, row.bucket}, list)) {
			if err != nil {
				return err
			}
			if err := s.removeOld(ctx, id, user, olderOf(group, oldest)); err != nil {
				return err
			}
		}
	}
	s.proveAfter(user, max(float64(s.config.SealAfter), 1), j.buckets)
	return nil
}

// removeOld removes messages as a session of the user does. If no row says whose
// mailbox it is, no listener can be told.
func (s *Store) removeOld(ctx context.Context, id MailboxID, user string, old []MessageID) error {
	failed := make(map[string]error)
	if user != "" {
		m := &mailboxSession{store: s, id: id, user: user}
		m.remove(ctx, old, failed)
	} else if err := s.removeWholly(ctx, id, old); err != nil {
		return err
	}
	s.met.expired.Add(int64(len(old) - len(failed)))
	if len(failed) > 0 {
		return &mailbox.DeleteError{Failed: failed}
	}
	return nil
}

// olderOf returns the IDs of those messages that are older than a time.
func olderOf(group []pair, oldest int64) (ids []MessageID) {
	for _, p := range group {
		if p.id.Timestamp() < oldest {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// ExpireAll removes the messages of all mailboxes that are older than
// [Config.Expire], as sessions remove them, in a scan like [Store.VerifyAll].
// Mended in its progress is the number of messages that were removed. It may run
// at the same time as deliveries and sessions, and again at any time; once a day
// is often enough. It ignores [ScanOptions.RepairOptions] and
// [ScanOptions.Only].
func (s *Store) ExpireAll(ctx context.Context, options ScanOptions) (Progress, error) {
	return s.expireAll(ctx, &scan{store: s, options: options, mends: true})
}

// CountExpired returns in the Findings of its progress how many messages
// ExpireAll would remove.
func (s *Store) CountExpired(ctx context.Context, options ScanOptions) (Progress, error) {
	return s.expireAll(ctx, &scan{store: s, options: options})
}

func (s *Store) expireAll(ctx context.Context, sc *scan) (Progress, error) {
	oldest, err := s.oldestForCertain(ctx)
	if err != nil {
		return Progress{}, fmt.Errorf("cassandra: expire: %w", temporary(err))
	}
	sc.instead = func(ctx context.Context, group []pair) error { return sc.expire(ctx, group, oldest) }
	return sc.run(ctx)
}

// expire removes those of some messages of one bucket that are older than a
// time, if the scan mends.
func (sc *scan) expire(ctx context.Context, group []pair, oldest int64) error {
	old := olderOf(group, oldest)
	if len(old) == 0 {
		return nil
	}
	removed := 0
	var err error
	if sc.mends {
		key := group[0].bucketKey
		var l ledger
		if l, err = sc.store.readBucketRow(ctx, cql.EachQuorum, key); err == nil {
			err = sc.store.removeOld(ctx, key.mailbox, l.user, old)
		}
		if err == nil {
			removed = len(old)
		}
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.progress.Findings += len(old)
	sc.progress.Mended += removed
	return err
}
