// Package cql is how the store, and every [cassandra.Index], reads and writes
// Cassandra. It cannot say what would break the store's promises:
//
//   - A write names its timestamp with each call, so that a retry, a replay or a
//     late arrival writes the same cell with the same timestamp again. There is
//     no default: the driver's own is the moment at which a frame is built, with
//     which a retried INSERT outlives a DELETE.
//   - A read names its columns and its partition, or a stretch of the token ring.
//   - A batch is for one partition, and is one mutation: each replica has all of
//     it or nothing.
//   - There is no way to say IF, SERIAL, TTL, COUNTER or ALLOW FILTERING, and
//     none to delete a range of rows.
//
// A [Table] is declared once. Its methods make the statements, usually in package
// variables, and panic if the table does not allow them. A statement keeps its
// structure beside its text, for those who look at it on its way.
//
//	var listing = cql.Table{
//		Name:       "listing",
//		Partition:  []string{"mailbox_id", "bucket"},
//		Clustering: []string{"message_id"},
//		Columns:    []string{"size"},
//	}
//
//	var (
//		insertEntry = listing.Insert("size")
//		deleteEntry = listing.Delete()
//		selectSlice = listing.Select(2000, "message_id", "size").Where(
//			cql.Equal("mailbox_id", "bucket"), cql.AtLeast("message_id"), cql.AtMost("message_id"))
//	)
//
// A [DB] runs them: that of a session retries what passes, avoids nodes that
// lately gave no answer, and connects anew if all nodes are lost.
// [cassandra.Session.DB] returns it.
//
// # Values
//
// Values are bound, and rows are scanned, as these Go types: [16]byte for uuid
// and timeuuid, int64 for bigint, int for int, string for text, []byte for blob,
// bool for boolean. A pointer to one of them scans null as nil. To write null
// would leave a tombstone: use a statement without that column.
//
// [cassandra.Index]: https://pkg.go.dev/github.com/popcask/popcask/cassandra#Index
// [cassandra.Session.DB]: https://pkg.go.dev/github.com/popcask/popcask/cassandra#Session.DB
package cql
