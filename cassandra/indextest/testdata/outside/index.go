// Package outside is an index as a stranger writes it: it has a table of its
// own, and uses the public packages of popcask alone. The documentation of
// package indextest takes its pieces from here.
package outside

import (
	"context"
	"errors"
	"iter"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

const schema = `CREATE TABLE IF NOT EXISTS listing (
	mailbox uuid,
	bucket bigint,
	message timeuuid,
	size bigint,
	uidl text,
	PRIMARY KEY ((mailbox, bucket), message)
) WITH gc_grace_seconds = 864000 AND read_repair = 'BLOCKING'`

var listing = cql.Table{
	Name:       "listing",
	Partition:  []string{"mailbox", "bucket"},
	Clustering: []string{"message"},
	Columns:    []string{"size", "uidl"},
}

var (
	insert        = listing.Insert("size")
	insertForeign = listing.Insert("size", "uidl")
	remove        = listing.Delete()
	selectSlice   = listing.Select(1000, "message", "size", "uidl").
			Where(cql.Equal("mailbox", "bucket"), cql.AtLeast("message"), cql.AtMost("message"))
	selectIDs = listing.Select(1000, "message", "size", "uidl").
			Where(cql.Equal("mailbox", "bucket"), cql.In("message"))
	selectTokens = listing.Select(1000, "mailbox", "bucket", "message", "size", "uidl").
			Where(cql.TokenAfter(), cql.TokenUpTo())
)

// Index lists mailboxes in a table of its own.
type Index struct {
	session *cassandra.Session
	db      cql.DB
}

// New makes the index of a session's keyspace, in which [Index.Migrate] has
// made the table.
func New(session *cassandra.Session) *Index { return &Index{session, session.DB()} }

// Migrate makes the table. It is run once, after [cassandra.Migrate].
func (x *Index) Migrate(ctx context.Context) error { return x.session.Define(ctx, schema) }

// Added implements [cassandra.Index].
func (x *Index) Added(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	if x.session.TooOld(e.ID) {
		return cassandra.ErrTooOld
	}
	return x.Restore(ctx, mailbox, e)
}

// Restore implements [cassandra.Index].
func (x *Index) Restore(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	st, values := insert, []any{[16]byte(mailbox), e.ID.Bucket(), [16]byte(e.ID), e.Size}
	if e.UIDL != "" { // a null would leave a tombstone
		st, values = insertForeign, append(values, e.UIDL)
	}
	return x.db.Exec(ctx, cql.LocalQuorum, st, cassandra.AddedAt(e.ID), values...)
}

// Renamed implements [cassandra.Index].
func (x *Index) Renamed(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	return x.db.Exec(ctx, cql.LocalQuorum, insertForeign, cassandra.RenamedAt(e.ID),
		[16]byte(mailbox), e.ID.Bucket(), [16]byte(e.ID), e.Size, "")
}

// Removed implements [cassandra.Index].
func (x *Index) Removed(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
	for bucket, some := range cassandra.ByBucket(ids, 100) {
		var batch cql.Batch
		for _, id := range some {
			batch.Add(remove, cassandra.DeletedAt(id), [16]byte(mailbox), bucket, [16]byte(id))
		}
		if err := x.db.ExecBatch(ctx, cql.LocalQuorum, &batch); err != nil {
			return err
		}
	}
	return nil
}

// List implements [cassandra.Index].
func (x *Index) List(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return func(yield func(cassandra.Entry, error) bool) {
		for _, slice := range slices {
			entries, err := x.read(ctx, level, mailbox, slice)
			if err != nil {
				yield(cassandra.Entry{}, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// read reads a slice.
func (x *Index) read(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slice cassandra.Slice) (entries []cassandra.Entry, err error) {
	st, values := statement(mailbox, slice)
	err = cql.Each(ctx, x.db, level, st, func(row cql.Row) error {
		var id [16]byte
		var e cassandra.Entry
		if err := row.Scan(&id, &e.Size, &e.UIDL); err != nil {
			return err
		}
		e.ID = id
		entries = append(entries, e)
		return nil
	}, values...)
	if errors.Is(err, cql.ErrTooManyTombstones) {
		return x.readParts(ctx, level, mailbox, slice, err)
	}
	return entries, err
}

// statement returns the statement that reads a slice, and its values.
func statement(mailbox cassandra.MailboxID, slice cassandra.Slice) (*cql.Statement, []any) {
	values := []any{[16]byte(mailbox), slice.Bucket}
	if slice.IDs != nil {
		return selectIDs, append(values, keys(slice.IDs))
	}
	first, last := slice.Borders()
	return selectSlice, append(values, [16]byte(first), [16]byte(last))
}

// keys returns IDs as the values of a column.
func keys(ids []cassandra.MessageID) (keys [][16]byte) {
	for _, id := range ids {
		keys = append(keys, id)
	}
	return keys
}

// readParts reads a slice that has too many tombstones, which is the cause.
func (x *Index) readParts(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slice cassandra.Slice, cause error) (entries []cassandra.Entry, err error) {
	parts, ok := slice.Parts()
	if !ok {
		return nil, cause
	}
	for e, err := range x.List(ctx, level, mailbox, parts) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// errLeft ends a page that no one reads any further.
var errLeft = errors.New("the caller has left the listing")

// Scan implements [cassandra.Index].
func (x *Index) Scan(ctx context.Context, after, until int64) iter.Seq2[cassandra.Listed, error] {
	return func(yield func(cassandra.Listed, error) bool) {
		err := cql.Each(ctx, x.db, cql.EachQuorum, selectTokens, func(row cql.Row) error {
			var mailbox, id [16]byte
			var l cassandra.Listed
			if err := row.Scan(&mailbox, &l.Bucket, &id, &l.Size, &l.UIDL); err != nil {
				return err
			}
			l.Mailbox, l.ID = mailbox, id
			if !yield(l, nil) {
				return errLeft
			}
			return nil
		}, after, until)
		if err != nil && !errors.Is(err, errLeft) {
			yield(cassandra.Listed{}, err)
		}
	}
}
