package cassandra

import (
	"context"
	"fmt"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

// Replay calls a listener with every message that is in the mailbox of a user,
// as if each had just been added: bucket by bucket, in the order of their times,
// in events of up to 100 messages. It returns the number of messages.
//
// It is for a listener that is new, or that missed events because a process was
// killed. There are no events for messages that were removed. An error of the
// listener ends Replay. It reads every data centre, and may run at the same
// time as deliveries and sessions.
func (s *Store) Replay(ctx context.Context, user string, listener mailbox.Listener) (told int, err error) {
	id, canonical, err := s.Mailbox(user)
	if err != nil {
		return 0, fmt.Errorf("cassandra: replay: %w", err)
	}
	fail := func(err error) (int, error) {
		return told, fmt.Errorf("cassandra: replay the mailbox of %q: %w", canonical, err)
	}
	l, err := s.readLedger(ctx, cql.EachQuorum, id)
	if err != nil {
		return fail(temporary(err))
	}
	for _, bucket := range s.bucketsToSurvey(&l) {
		event := mailbox.Event{Kind: mailbox.Added, User: canonical}
		tell := func() error {
			if len(event.Messages) == 0 {
				return nil
			}
			err := listener.MailboxChanged(ctx, event)
			if err == nil {
				told += len(event.Messages)
			}
			event.Messages = nil
			return err
		}
		for m, err := range s.members(ctx, cql.EachQuorum, id, []Slice{BucketSlice(bucket)}) {
			if err != nil {
				return fail(temporary(err))
			}
			if !m.isMember() {
				continue
			}
			event.Messages = append(event.Messages, Entry{ID: m.id, Size: m.size, UIDL: m.uidl}.message())
			if len(event.Messages) == batchSize {
				if err := tell(); err != nil {
					return fail(err)
				}
			}
		}
		if err := tell(); err != nil {
			return fail(err)
		}
	}
	return told, nil
}
