package cassandra

import (
	"context"
	"errors"

	"github.com/popcask/popcask/cassandra/cql"
)

// Prove seals the buckets of a mailbox now, for tests: all of them, as after a
// removal of very many messages.
func (s *Store) Prove(ctx context.Context, user string) error {
	mailbox, _, err := s.Mailbox(user)
	if err != nil {
		return err
	}
	l, err := s.readLedger(ctx, cql.LocalQuorum, mailbox)
	if err != nil {
		return err
	}
	j := job{user: user, weight: 1e9}
	for _, row := range l.buckets {
		j.buckets = append(j.buckets, row.bucket)
	}
	return unlessTooSoon(s.prove(ctx, j))
}

// unlessTooSoon leaves out the error that there was a proof a moment ago.
func unlessTooSoon(err error) error {
	if errors.Is(err, errTooSoon) {
		return nil
	}
	return err
}

// ProveFor is what a look does after a removal of this weight from a bucket.
func (s *Store) ProveFor(ctx context.Context, user string, weight float64, bucket int64) error {
	return unlessTooSoon(s.prove(ctx, job{user: user, weight: weight, buckets: []int64{bucket}}))
}

// Fence reads the fence of a mailbox, in microseconds.
func (s *Store) Fence(ctx context.Context, mailbox MailboxID) (int64, error) {
	ledger, err := s.readLedger(ctx, cql.LocalQuorum, mailbox)
	return ledger.fence, err
}
