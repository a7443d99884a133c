package cassandra

import "github.com/popcask/popcask/cassandra/cql"

// The tables of schema.cql, without that of the index, and below them every
// statement that this package sends.
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

// A page counts rows, not octets. Rows of listings are small, so that a page
// holds thousands; chunks are large, so that a page holds few. Rows of content
// without the data are small too, but the node reads past the data.
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

	// Writes that add content: at t(id).
	insertWhole  = messageTable.Insert("data", "mailbox_id", "size", "chunks", "head", "sha256")
	insertFirst  = messageTable.Insert("data", "mailbox_id")
	insertChunk  = messageTable.Insert("data")
	insertStatic = messageTable.InsertStatic("size", "chunks", "head", "sha256")

	selectContent = messageTable.Select(contentPage, "mailbox_id", "size", "chunks", "chunk", "data").Where(cql.Equal("message_id"), cql.AtLeast("chunk"))
	selectTop     = messageTable.Select(1, "mailbox_id", "size", "chunks", "chunk", "data").Where(cql.Equal("message_id"), cql.AtLeast("chunk"))
	selectChunks  = messageTable.Select(listingPage, "mailbox_id", "size", "chunks", "chunk").Where(cql.Equal("message_id"))

	// Writes that add a membership: at t(id). A column without a value is left
	// out, since null would be a tombstone.
	insertMember        = membershipTable.Insert("uid", "mod_seq", "size")
	insertMemberForeign = membershipTable.Insert("uid", "mod_seq", "size", "uidl")

	// The mark that a message is removed, the commit point of a removal: at
	// t(id) + 1.
	markMember = membershipTable.Update("removed")

	// Final deletes, each of one exact ID: at t(id) + 2.
	deleteContent = messageTable.DeletePartition()
	deleteMember  = membershipTable.Delete()

	// A read of a membership names all columns, wanted or not: if replicas
	// differ, Cassandra repairs the columns that were read and no others, and
	// would leave rows without some of them, which no delivery writes.
	selectMember  = membershipTable.Select(1, "size", "removed", "uidl", "uid", "mod_seq").Where(cql.Equal("mailbox_id", "bucket", "message_id"))
	selectMembers = membershipTable.Select(listingPage, "message_id", "size", "uidl", "removed", "uid", "mod_seq").
			Where(cql.Equal("mailbox_id", "bucket"), cql.AtLeast("message_id"), cql.AtMost("message_id"))

	// The ledger, whose rows only grow: timestamps from the values.
	insertBucket = ledgerTable.Insert("user")
	insertRange  = ledgerTable.Insert("until")
	insertClaim  = ledgerTable.Insert("owner", "until")
	selectUser   = ledgerTable.Select(1, "user").Where(cql.Equal("mailbox_id"), cql.Limit(1))
	selectLedger = ledgerTable.Select(listingPage, "kind", "start", "until").Where(cql.Equal("mailbox_id"))
	selectClaims = ledgerTable.Select(100, "owner", "until").Where(cql.Equal("mailbox_id", "kind"))
)

// Reads of a range of the ring, for scans.
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
