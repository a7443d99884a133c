// Package cql is how the store, and every [cassandra.Index], reads and writes
// Cassandra. A statement that would break the store's promises cannot be made
// with it:
//
//   - Every write names its timestamp, so that a retry or a replay writes the
//     same cell with the same timestamp again. There is no default: the
//     driver's own is the moment at which it builds the frame, and with that a
//     retried INSERT outlives a DELETE.
//   - Every read names its columns, and either a whole partition key or a range
//     of the token ring.
//   - A batch writes to one partition, and is one mutation: a replica applies
//     all of it or nothing.
//   - IF, SERIAL, TTL, COUNTER and ALLOW FILTERING do not exist, and neither
//     does a DELETE of a range of rows.
//
// A [Table] is declared once. Its methods make the statements, usually in
// package variables, and panic if the table does not allow a statement. A
// [Statement] keeps its structure beside its text, for a [DB] that does not
// parse CQL.
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
// A [DB] runs statements. [cassandra.Session.DB] returns one that tries again
// after errors that pass, avoids nodes that lately gave no answer, and connects
// anew if all nodes are lost.
//
// # Values
//
// Values to bind have these Go types, and rows are scanned into pointers to
// them:
//
//	[16]byte  uuid, timeuuid
//	int64     bigint
//	int       int
//	string    text
//	[]byte    blob
//	bool      boolean
//
// To tell null from a zero value, scan into a pointer to a pointer, which is
// set to nil. Null cannot be written without leaving a tombstone: use a
// statement that leaves the column out.
//
// [cassandra.Index]: https://pkg.go.dev/github.com/popcask/popcask/cassandra#Index
// [cassandra.Session.DB]: https://pkg.go.dev/github.com/popcask/popcask/cassandra#Session.DB
package cql
