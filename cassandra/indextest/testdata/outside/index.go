// Package outside is an index as a stranger writes it: it has a table of its own,
// and uses the public packages of popcask alone. The documentation of package
// indextest takes its pieces from here.
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
	selectTokens = listing.Select(1000, "mailbox", "bucket", "message", "size", "uidl").
			Where(cql.TokenAfter(), cql.TokenUpTo())
)

// Index lists mailboxes in a table of its own.
type Index struct {
	session *cassandra.Session
	db      cql.DB
}

// New makes the index of a session's keyspace, in which [Index.Migrate] has made
// the table.
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
	st, values := insert, []any{[16]byte(mailbox), x.session.Bucket(e.ID), [16]byte(e.ID), e.Size}
	if e.UIDL != "" { // a null would leave a tombstone
		st, values = insertForeign, append(values, e.UIDL)
	}
	return x.db.Exec(ctx, cql.LocalQuorum, st, cassandra.AddedAt(e.ID), values...)
}

// Removed implements [cassandra.Index].
func (x *Index) Removed(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
	for bucket, some := range x.session.ByBucket(ids, 100) {
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
func (x *Index) List(ctx context.Context, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return x.list(ctx, cql.LocalQuorum, mailbox, slices)
}

// ListEverywhere implements [cassandra.Index].
func (x *Index) ListEverywhere(ctx context.Context, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return x.list(ctx, cql.EachQuorum, mailbox, slices)
}

func (x *Index) list(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
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

// read reads a slice; one that has too many tombstones in two halves.
func (x *Index) read(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slice cassandra.Slice) (entries []cassandra.Entry, err error) {
	first, last := slice.Borders()
	err = cql.Each(ctx, x.db, level, selectSlice, func(row cql.Row) error {
		var id [16]byte
		var e cassandra.Entry
		if err := row.Scan(&id, &e.Size, &e.UIDL); err != nil {
			return err
		}
		e.ID = id
		entries = append(entries, e)
		return nil
	}, [16]byte(mailbox), slice.Bucket, [16]byte(first), [16]byte(last))
	lower, upper, ok := slice.Halves()
	if !ok || !errors.Is(err, cql.ErrTooManyTombstones) {
		return entries, err
	}
	if entries, err = x.read(ctx, level, mailbox, lower); err != nil {
		return nil, err
	}
	more, err := x.read(ctx, level, mailbox, upper)
	return append(entries, more...), err
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
