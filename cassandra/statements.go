package cassandra

import "github.com/popcask/popcask/cassandra/cql"

// The tables of schema.cql, but for an index's, and every statement that this
// package sends. They are built once.
var (
	settingsTable = cql.Table{
		Name:      "settings",
		Partition: []string{"id"},
		Columns:   []string{"version", "bucket_seconds", "namespace", "canonicaliser", "replication", "replication_since"},
	}
	messageTable = cql.Table{
		Name:       "message",
		Partition:  []string{"message_id"},
		Clustering: []string{"chunk"},
		Static:     []string{"mailbox_id", "size", "chunks", "head", "sha256"},
		Columns:    []string{"data"},
	}
	membershipTable = cql.Table{
		Name:       "mailbox_message",
		Partition:  []string{"mailbox_id", "bucket"},
		Clustering: []string{"message_id"},
		Columns:    []string{"uid", "mod_seq", "size", "uidl", "removed"},
	}
	ledgerTable = cql.Table{
		Name:       "ledger",
		Partition:  []string{"mailbox_id"},
		Clustering: []string{"kind", "start"},
		Static:     []string{"user"},
		Columns:    []string{"until", "owner"},
	}
)

// Pages of listings hold thousands of rows, since rows are small; those of
// content hold few, since a page counts rows and not octets. One that leaves the
// content itself out is small, but a node has to read past it.
const (
	listingPage  = 2000
	contentPage  = 2
	contentsPage = 1000
)

var (
	insertSettings    = settingsTable.Insert("version", "bucket_seconds", "namespace", "canonicaliser")
	insertReplication = settingsTable.Insert("replication", "replication_since")
	selectReplication = settingsTable.Select(1, "replication", "replication_since").Where(cql.Equal("id"))
	selectSettings    = settingsTable.Select(1, "version", "bucket_seconds", "namespace", "canonicaliser").Where(cql.Equal("id"))

	// Adding content: at t(id).
	insertWhole  = messageTable.Insert("data", "mailbox_id", "size", "chunks", "head", "sha256")
	insertFirst  = messageTable.Insert("data", "mailbox_id")
	insertChunk  = messageTable.Insert("data")
	insertStatic = messageTable.InsertStatic("size", "chunks", "head", "sha256")

	selectContent = messageTable.Select(contentPage, "mailbox_id", "size", "chunks", "chunk", "data").Where(cql.Equal("message_id"), cql.AtLeast("chunk"))
	selectTop     = messageTable.Select(1, "mailbox_id", "size", "chunks", "chunk", "data").Where(cql.Equal("message_id"), cql.AtLeast("chunk"))
	selectChunks  = messageTable.Select(listingPage, "mailbox_id", "size", "chunks", "chunk").Where(cql.Equal("message_id"))

	// Adding membership: at t(id). Columns without a value are left out, since
	// a null would be a tombstone.
	insertMember        = membershipTable.Insert("uid", "mod_seq", "size")
	insertMemberForeign = membershipTable.Insert("uid", "mod_seq", "size", "uidl")

	// Marking as removed: at t(id) + 1. The commit point of a removal.
	markMember = membershipTable.Update("removed")

	// Final deletes: at t(id) + 2, each of one exact ID.
	deleteContent = messageTable.DeletePartition()
	deleteMember  = membershipTable.Delete()

	// What is read of a membership is all of it, wanted or not: where replicas
	// differ Cassandra repairs the columns that were read and no others, and what
	// is left without some of them is no membership as a delivery leaves it.
	selectMember  = membershipTable.Select(1, "size", "removed", "uidl", "uid", "mod_seq").Where(cql.Equal("mailbox_id", "bucket", "message_id"))
	selectMembers = membershipTable.Select(listingPage, "message_id", "size", "uidl", "removed", "uid", "mod_seq").
			Where(cql.Equal("mailbox_id", "bucket"), cql.AtLeast("message_id"), cql.AtMost("message_id"))

	// The ledger: grow-only, timestamps from the values.
	insertBucket = ledgerTable.Insert("user")
	insertRange  = ledgerTable.Insert("until")
	insertClaim  = ledgerTable.Insert("owner", "until")
	selectUser   = ledgerTable.Select(1, "user").Where(cql.Equal("mailbox_id"), cql.Limit(1))
	selectLedger = ledgerTable.Select(listingPage, "kind", "start", "until").Where(cql.Equal("mailbox_id"))
	selectClaims = ledgerTable.Select(100, "owner", "until").Where(cql.Equal("mailbox_id", "kind"))
)

// Scans of a stretch of the ring.
var (
	selectMembersIn  = membershipTable.Select(listingPage, "mailbox_id", "bucket", "message_id", "size", "removed", "uidl", "uid", "mod_seq").Where(cql.TokenAfter(), cql.TokenUpTo())
	selectLedgersIn  = ledgerTable.Select(listingPage, "mailbox_id", "kind", "start", "until", "owner").Where(cql.TokenAfter(), cql.TokenUpTo())
	selectContentsIn = messageTable.Select(contentsPage, "message_id", "mailbox_id", "size", "chunks", "chunk").Where(cql.TokenAfter(), cql.TokenUpTo())
	selectContentAt  = messageTable.SelectPartitions(1, "message_id").Where(cql.TokenAfter(), cql.TokenUpTo())
)

// The kinds of rows of a ledger.
const (
	kindBucket = "bucket"
	kindFence  = "fence"
	kindGap    = "gap"
	kindUIDL   = "uidl"
)
