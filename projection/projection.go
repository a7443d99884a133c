package projection

import (
	"context"
	"fmt"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

var projectionTable = cql.Table{
	Name:       "projection",
	Partition:  []string{"mailbox_id", "bucket"},
	Clustering: []string{"message_id"},
	Columns:    []string{"size", "uidl"},
}

const (
	listingPage  = 2000 // rows, each of about 30 octets
	removalBatch = 200  // rows, all of one partition
)

var (
	insertEntry        = projectionTable.Insert("size")
	insertForeignEntry = projectionTable.Insert("size", "uidl")
	deleteEntry        = projectionTable.Delete()
	selectSlice        = projectionTable.Select(listingPage, "message_id", "size", "uidl").
				Where(cql.Equal("mailbox_id", "bucket"), cql.AtLeast("message_id"), cql.AtMost("message_id"))
	selectIDs = projectionTable.Select(listingPage, "message_id", "size", "uidl").
			Where(cql.Equal("mailbox_id", "bucket"), cql.In("message_id"))
	selectTokens = projectionTable.Select(listingPage, "mailbox_id", "bucket", "message_id", "size", "uidl").
			Where(cql.TokenAfter(), cql.TokenUpTo())
)

// Projection is the index of a keyspace. It is safe for concurrent use.
type Projection struct {
	session *cassandra.Session
	db      cql.DB
}

// New returns the index of the session's keyspace, whose table [cassandra.Migrate]
// has made.
func New(session *cassandra.Session) *Projection {
	return &Projection{session: session, db: session.DB()}
}

var _ cassandra.Index = (*Projection)(nil)

// Added implements [cassandra.Index]. An ID that is older than half of
// gc_grace_seconds is [cassandra.ErrTooOld]: the tombstone of its removal may be
// gone, and the message would come back.
func (p *Projection) Added(ctx context.Context, mailbox cassandra.MailboxID, message cassandra.Entry) error {
	if p.session.TooOld(message.ID) {
		return fmt.Errorf("projection: add %s: %w", message.ID, cassandra.ErrTooOld)
	}
	return p.Restore(ctx, mailbox, message)
}

// Restore implements [cassandra.Index].
func (p *Projection) Restore(ctx context.Context, mailbox cassandra.MailboxID, message cassandra.Entry) error {
	st := insertEntry
	values := []any{[16]byte(mailbox), message.ID.Bucket(), [16]byte(message.ID), message.Size}
	if message.UIDL != "" { // a null would be a tombstone
		st, values = insertForeignEntry, append(values, message.UIDL)
	}
	if err := p.db.Exec(ctx, cql.LocalQuorum, st, cassandra.AddedAt(message.ID), values...); err != nil {
		return fmt.Errorf("projection: add %s: %w", message.ID, err)
	}
	return nil
}

// Renamed implements [cassandra.Index].
func (p *Projection) Renamed(ctx context.Context, mailbox cassandra.MailboxID, message cassandra.Entry) error {
	err := p.db.Exec(ctx, cql.LocalQuorum, insertForeignEntry, cassandra.RenamedAt(message.ID),
		[16]byte(mailbox), message.ID.Bucket(), [16]byte(message.ID), message.Size, "")
	if err != nil {
		return fmt.Errorf("projection: rename %s: %w", message.ID, err)
	}
	return nil
}

// Removed implements [cassandra.Index]. It deletes exact IDs, in batches of one
// partition: a range would also hit mail that is still on its way.
func (p *Projection) Removed(ctx context.Context, mailbox cassandra.MailboxID, messages []cassandra.MessageID) error {
	for bucket, ids := range cassandra.ByBucket(messages, removalBatch) {
		var batch cql.Batch
		for _, id := range ids {
			batch.Add(deleteEntry, cassandra.DeletedAt(id), [16]byte(mailbox), bucket, [16]byte(id))
		}
		if err := p.db.ExecBatch(ctx, cql.LocalQuorum, &batch); err != nil {
			return fmt.Errorf("projection: remove %d messages: %w", len(ids), err)
		}
	}
	return nil
}
