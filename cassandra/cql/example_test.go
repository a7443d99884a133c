package cql_test

import (
	"context"
	"fmt"

	"github.com/popcask/popcask/cassandra/cql"
)

// A table is declared once, and its statements are made once.
var listing = cql.Table{
	Name:       "listing",
	Partition:  []string{"mailbox_id", "bucket"},
	Clustering: []string{"message_id"},
	Columns:    []string{"size"},
}

var (
	insertEntry = listing.Insert("size")
	deleteEntry = listing.Delete()
	selectSlice = listing.Select(2000, "message_id", "size").
			Where(cql.Equal("mailbox_id", "bucket"), cql.AtLeast("message_id"), cql.AtMost("message_id"))
	selectTokens = listing.Select(2000, "mailbox_id", "bucket", "message_id", "size").
			Where(cql.TokenAfter(), cql.TokenUpTo())
)

func Example() {
	for _, statement := range []*cql.Statement{insertEntry, deleteEntry, selectSlice, selectTokens} {
		fmt.Println(statement)
	}
	// Output:
	// INSERT INTO listing (mailbox_id,bucket,message_id,size) VALUES (?,?,?,?) USING TIMESTAMP ?
	// DELETE FROM listing USING TIMESTAMP ? WHERE mailbox_id=? AND bucket=? AND message_id=?
	// SELECT message_id,size FROM listing WHERE mailbox_id=? AND bucket=? AND message_id>=? AND message_id<=?
	// SELECT mailbox_id,bucket,message_id,size FROM listing WHERE token(mailbox_id,bucket)>? AND token(mailbox_id,bucket)<=?
}

// All rows of a partition between two IDs, page by page.
func ExampleEach() {
	ctx := context.Background()
	var db cql.DB // cassandra.Session.DB
	var mailbox, first, last [16]byte
	var bucket int64

	sizes := make(map[[16]byte]int64)
	err := cql.Each(ctx, db, cql.LocalQuorum, selectSlice, func(row cql.Row) error {
		var id [16]byte
		var size int64
		if err := row.Scan(&id, &size); err != nil { // as Select names them
			return err
		}
		sizes[id] = size
		return nil
	}, mailbox, bucket, first, last) // as Where names them
	fmt.Println(len(sizes), err)
}

// Several messages of one bucket are deleted by one mutation, each with its own
// timestamp.
func ExampleBatch() {
	var batch cql.Batch
	mailbox, bucket := [16]byte{1}, int64(688)
	for _, id := range [][16]byte{{2}, {3}} {
		timestamp := int64(1_785_585_600_000_002) // cassandra.DeletedAt(id)
		batch.Add(deleteEntry, timestamp, mailbox, bucket, id)
	}
	fmt.Println(batch.Len(), batch.Check())

	batch.Add(deleteEntry, 1_785_585_600_000_002, mailbox, bucket+1, [16]byte{4})
	fmt.Println(batch.Check())
	// Output:
	// 2 <nil>
	// cql: a batch writes to two partitions: DELETE FROM listing USING TIMESTAMP ? WHERE mailbox_id=? AND bucket=? AND message_id=?
}
