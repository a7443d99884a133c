package cassandra

import (
	"context"
	"errors"
	"iter"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

var mailboxOpenOptions mailbox.OpenOptions

func deliveryTo(users ...string) mailbox.Delivery {
	var delivery mailbox.Delivery
	for _, user := range users {
		delivery.Recipients = append(delivery.Recipients, mailbox.Recipient{User: user})
	}
	return delivery
}

// rawIndex is the index for tests inside this package, which cannot import
// package projection: its statements, without its pages and its halving.
type rawIndex struct{ s *Session }

var (
	rawTable  = cql.Table{Name: "projection", Partition: []string{"mailbox_id", "bucket"}, Clustering: []string{"message_id"}, Columns: []string{"size", "uidl"}}
	rawInsert = rawTable.Insert("size", "uidl")
	rawDelete = rawTable.Delete()
	rawSelect = rawTable.Select(listingPage, "message_id", "size", "uidl").
			Where(cql.Equal("mailbox_id", "bucket"), cql.AtLeast("message_id"), cql.AtMost("message_id"))
)

func (x rawIndex) Added(ctx context.Context, mailbox MailboxID, e Entry) error {
	return x.Restore(ctx, mailbox, e)
}

func (x rawIndex) Restore(ctx context.Context, mailbox MailboxID, e Entry) error {
	return x.s.db.Exec(ctx, cql.LocalQuorum, rawInsert, AddedAt(e.ID), [16]byte(mailbox), x.s.Bucket(e.ID), [16]byte(e.ID), e.Size, e.UIDL)
}

func (x rawIndex) Removed(ctx context.Context, mailbox MailboxID, ids []MessageID) error {
	for bucket, group := range x.s.ByBucket(ids, batchSize) {
		var batch cql.Batch
		for _, id := range group {
			batch.Add(rawDelete, DeletedAt(id), [16]byte(mailbox), bucket, [16]byte(id))
		}
		if err := x.s.db.ExecBatch(ctx, cql.LocalQuorum, &batch); err != nil {
			return err
		}
	}
	return nil
}

func (x rawIndex) List(ctx context.Context, mailbox MailboxID, slices []Slice) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, slice := range slices {
			first, last := slice.Borders()
			stop := false
			err := cql.Each(ctx, x.s.db, cql.LocalQuorum, rawSelect, func(row cql.Row) error {
				var id [16]byte
				var e Entry
				if err := row.Scan(&id, &e.Size, &e.UIDL); err != nil {
					return err
				}
				e.ID = id
				stop = stop || !yield(e, nil)
				return nil
			}, [16]byte(mailbox), slice.Bucket, [16]byte(first), [16]byte(last))
			if err != nil && !stop {
				yield(Entry{}, err)
				return
			}
			if stop {
				return
			}
		}
	}
}

func (x rawIndex) ListEverywhere(ctx context.Context, mailbox MailboxID, slices []Slice) iter.Seq2[Entry, error] {
	return x.List(ctx, mailbox, slices)
}

func (x rawIndex) Scan(ctx context.Context, after, until int64) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) { yield(Listed{}, errors.New("this index is not scanned")) }
}
