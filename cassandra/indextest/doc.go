// Package indextest is the conformance kit for indexes of the Cassandra store,
// as [fstest.TestFS] is for file systems. Run it, on a real node, in the tests
// of every implementation of [cassandra.Index]. Each failure is one sentence,
// which says what is wrong and which rule that breaks.
//
//	func TestConformance(t *testing.T) {
//		cluster := cassandratest.Start(t, cassandratest.Topology{})
//		dc := cluster.DCs[0].Name
//		config := cassandra.Config{Hosts: cluster.Hosts(dc), LocalDC: dc, Keyspace: cluster.KeyspaceName(t)}
//		... // cassandra.Migrate, and the index's own tables
//		session, err := cassandra.Connect(t.Context(), config)
//		... // the error, and t.Cleanup(session.Close)
//		indextest.Run(t, session, NewMyIndex(session))
//	}
//
// Run it under the race detector: some checks use the index from many
// goroutines.
//
// # The rules
//
// The rules are the comments on [cassandra.Index], and these, which a failure
// cites:
//
//   - Once Added or Restore has returned, a message is listed, once, with its
//     size and its foreign unique-id. Once Removed has returned, it is not.
//   - Once Renamed has returned, the message shows no foreign unique-id.
//   - P3: what was removed is never listed again. Calls that come twice, late or
//     in any order leave the same entries. Every sequence of up to four calls
//     about a message is tried, and some longer ones about several messages.
//   - A listing is whole, in the order of the slices and of the IDs, or ends
//     with an error. Both ends of a slice belong to it, and nothing beyond them.
//   - Of a slice that has IDs, those of them are listed that are there, in their
//     order, and nothing that lies between them.
//   - An entry is in the bucket of its ID, be it of 30 days, a day or an hour,
//     and in no other.
//   - A listing is the same at LOCAL_QUORUM, EACH_QUORUM and ALL if all replicas
//     have the same.
//   - An ID that is too old is ErrTooOld to Added. Restore takes it.
//   - A scan is in the order of the tokens, has what the listings have, and
//     nothing outside its stretch.
//   - Listings begin to read when they are ranged over. A caller may leave them
//     early; no goroutine of theirs is left then.
//   - If the context ends, a call does all of its work, or returns an error that
//     wraps the context's.
//   - An index is safe for concurrent use.
//
// # Writing an index
//
// A table of the index has the mailbox and the bucket as its partition key, in
// this order, as uuid and bigint, and then the message as a timeuuid.
// [cassandra.Token] is the token of this key, so that a scan is in its order by
// itself, and a timeuuid column is in the order of the IDs. The table keeps its
// tombstones for ten days, as the store's do.
//
//	const schema = `CREATE TABLE IF NOT EXISTS listing (
//		mailbox uuid,
//		bucket bigint,
//		message timeuuid,
//		size bigint,
//		uidl text,
//		PRIMARY KEY ((mailbox, bucket), message)
//	) WITH gc_grace_seconds = 864000 AND read_repair = 'BLOCKING'`
//
// [cassandra.Session.Define] makes the table, and package cql its statements.
//
//	var listing = cql.Table{
//		Name:       "listing",
//		Partition:  []string{"mailbox", "bucket"},
//		Clustering: []string{"message"},
//		Columns:    []string{"size", "uidl"},
//	}
//
// The bucket of a message is [cassandra.MessageID.Bucket] of its ID, be it wide
// or narrow: slices name buckets by these numbers. What is written about a
// message has a timestamp of its ID: [cassandra.AddedAt] in a write that adds
// it, [cassandra.DeletedAt] in one that deletes it.
//
//	func (x *Index) Removed(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
//		for bucket, some := range cassandra.ByBucket(ids, 100) {
//			var batch cql.Batch
//			for _, id := range some {
//				batch.Add(remove, cassandra.DeletedAt(id), [16]byte(mailbox), bucket, [16]byte(id))
//			}
//			if err := x.db.ExecBatch(ctx, cql.LocalQuorum, &batch); err != nil {
//				return err
//			}
//		}
//		return nil
//	}
//
// A slice is read from the first to the last of its borders. One that has IDs
// is read by these keys, with [cql.In]: what lies between them may be full of
// tombstones.
//
//	func statement(mailbox cassandra.MailboxID, slice cassandra.Slice) (*cql.Statement, []any) {
//		values := []any{[16]byte(mailbox), slice.Bucket}
//		if slice.IDs != nil {
//			return selectIDs, append(values, keys(slice.IDs))
//		}
//		first, last := slice.Borders()
//		return selectSlice, append(values, [16]byte(first), [16]byte(last))
//	}
//
// A slice that has more tombstones than a node allows is read in parts.
// [cassandra.Slice.Parts] is for no other: it takes note of the tombstones.
//
//	func (x *Index) readParts(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slice cassandra.Slice, cause error) (entries []cassandra.Entry, err error) {
//		parts, ok := slice.Parts()
//		if !ok {
//			return nil, cause
//		}
//		for e, err := range x.List(ctx, level, mailbox, parts) {
//			if err != nil {
//				return nil, err
//			}
//			entries = append(entries, e)
//		}
//		return entries, nil
//	}
//
// The whole index is the file testdata/outside/index.go of this package;
// package projection has one that reads several slices at a time.
//
// # What it does not check
//
// It does not check which replicas a level asks, nor a listing that meets too
// many tombstones: these need clusters of their own. It does not see which
// timestamps an index writes, only that what was removed stays removed, nor
// that IDs are read by their keys.
//
// [fstest.TestFS]: https://pkg.go.dev/testing/fstest#TestFS
package indextest
