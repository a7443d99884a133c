package cassandra

import (
	"context"

	"github.com/popcask/popcask/cassandra/cql"
)

// Prove runs the proof of what is empty in a mailbox now, for tests.
func (s *Store) Prove(ctx context.Context, user string) error { return s.prove(ctx, user) }

// Fence reads the fence of a mailbox, in microseconds.
func (s *Store) Fence(ctx context.Context, mailbox MailboxID) (int64, error) {
	ledger, err := s.readLedger(ctx, cql.LocalQuorum, mailbox)
	return ledger.fence, err
}
