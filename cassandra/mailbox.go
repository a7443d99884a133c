package cassandra

import (
	"context"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
)

// mailboxSession is one session on a mailbox.
type mailboxSession struct {
	store  *Store
	id     MailboxID
	user   string
	listed []MessageID // ascending
}

// Close implements [mailbox.Mailbox].
func (m *mailboxSession) Close() error { return nil }

// mayHold reports whether the mailbox may have a message: the session has
// listed it, or it has a membership. Content is deleted by its ID alone, so
// that the ID of a message in another mailbox must not get that far.
func (m *mailboxSession) mayHold(ctx context.Context, id MessageID) (bool, error) {
	if m.isListed(id) {
		return true, nil
	}
	found, err := m.store.member(ctx, cql.LocalQuorum, m.id, id)
	return found != memberAbsent, err
}

func (m *mailboxSession) isListed(id MessageID) bool {
	_, listed := slices.BinarySearchFunc(m.listed, id, MessageID.Compare)
	return listed
}
