package cassandra

import (
	"context"
	"errors"

	"github.com/popcask/popcask/cassandra/cql"
)

// letIn makes sure that sessions list a message that was put back into its
// mailbox by something else than its delivery. It is called after the
// membership is acknowledged.
func (s *Store) letIn(ctx context.Context, mailbox MailboxID, user string, id MessageID) error {
	l, err := s.readBucketRow(ctx, cql.EachQuorum, bucketKey{mailbox, id.Bucket()})
	switch {
	case err != nil:
		return err
	case id.Timestamp() <= l.fence, l.hides(id):
		return s.openBucket(ctx, bucketKey{mailbox, id.Bucket()}, user)
	case l.find(id.Bucket()) == nil:
		return s.writeBucket(ctx, cql.EachQuorum, bucketKey{mailbox, id.Bucket()}, user)
	}
	return nil
}

// openings is how often openBucket tries.
const openings = 3

// openBucket makes sure that no seal of before leaves out a message that is in
// the bucket, and that the bucket has a row. It writes `opened`, the clock of a
// node; sessions and proofs do not use a seal that names another value. It
// begins again if the value is not there, or if it took so long that a proof
// may have reached beyond it: a proof ends [Config.Horizon] before a clock, and
// two clocks may be half of that apart.
func (s *Store) openBucket(ctx context.Context, key bucketKey, user string) error {
	if user != "" {
		if err := s.writeBucket(ctx, cql.EachQuorum, key, user); err != nil {
			return err
		}
	}
	select { // openings of one process would only disturb each other
	case s.opening <- struct{}{}:
		defer func() { <-s.opening }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for range openings {
		opened, err := s.openOnce(ctx, key)
		if err != nil || opened {
			return err
		}
	}
	return errors.New("its bucket could not be opened: the cluster took too long, or another repair is at work")
}

func (s *Store) openOnce(ctx context.Context, key bucketKey) (done bool, err error) {
	began := s.config.Now()
	node, err := s.session.clock(ctx)
	if err != nil {
		return false, err
	}
	read := func() (opened int64, err error) {
		l, err := s.readBucketRow(ctx, cql.EachQuorum, key)
		if row := l.find(key.bucket); row != nil {
			opened = row.opened
		}
		return opened, err
	}
	before, err := read()
	if err != nil {
		return false, err
	}
	opened := max(node.UnixMicro(), before+1)
	err = s.db.Exec(ctx, cql.EachQuorum, insertOpened, opened, [16]byte(key.mailbox), key.bucket, opened)
	if err != nil {
		return false, err
	}
	now, err := read()
	return now == opened && s.config.Now().Sub(began) < s.config.Horizon/2, err
}
