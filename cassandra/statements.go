package cassandra

import "github.com/popcask/popcask/cassandra/cql"

// The tables of schema.cql, without that of the index, and below them every
// statement that this package sends.
var (
	settingsTable = cql.Table{
		Name:      "settings",
		Partition: []string{"id"},
		Columns:   []string{"version", "namespace", "canonicaliser", "replication", "replication_since"},
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
		Clustering: []string{"bucket"},
		Columns:    []string{"crowd", "opened", "seal", "user", "fence"},
	}
	uidlTable = cql.Table{
		Name:       "uidl",
		Partition:  []string{"mailbox_id", "uidl"},
		Clustering: []string{"message_id"},
		Columns:    []string{"gone"},
	}
)

// A page counts rows, not octets. Rows of listings are small, so that a page
// holds thousands; chunks are large, so that a page holds few. Rows of content
// without the data are small too, but the node reads past the data.
const (
	listingPage  = 2000
	ledgerPage   = 50  // a seal is up to 64 KiB
	idsAtOnce    = 100 // rows that are read by their IDs
	oneRow       = 2   // a full page has a next one, which would be asked for
	contentPage  = 2
	contentsPage = 1000
)

var (
	insertSettings    = settingsTable.Insert("version", "namespace", "canonicaliser")
	insertReplication = settingsTable.Insert("replication", "replication_since")
	selectReplication = settingsTable.Select(oneRow, "replication", "replication_since").Where(cql.Equal("id"))
	selectSettings    = settingsTable.Select(oneRow, "version", "namespace", "canonicaliser").Where(cql.Equal("id"))

	// Writes that add content: at t(id).
	insertWhole  = messageTable.Insert("data", "mailbox_id", "size", "chunks", "head", "sha256")
	insertFirst  = messageTable.Insert("data", "mailbox_id")
	insertChunk  = messageTable.Insert("data")
	insertStatic = messageTable.InsertStatic("size", "chunks", "head", "sha256")

	selectContent = messageTable.Select(contentPage, "mailbox_id", "size", "chunks", "head", "sha256", "chunk", "data").Where(cql.Equal("message_id"), cql.AtLeast("chunk"))
	selectTop     = messageTable.Select(1, "mailbox_id", "size", "chunks", "head", "sha256", "chunk", "data").Where(cql.Equal("message_id"), cql.AtLeast("chunk"))
	selectChunks  = messageTable.Select(listingPage, "mailbox_id", "size", "chunks", "head", "sha256", "chunk").Where(cql.Equal("message_id"))

	// Writes that add a membership: at t(id). A column without a value is left
	// out, since null would be a tombstone.
	insertMember        = membershipTable.Insert("uid", "mod_seq", "size")
	insertMemberForeign = membershipTable.Insert("uid", "mod_seq", "size", "uidl")

	// The mark that a message is removed, the commit point of a removal: at
	// t(id) + 1.
	markMember = membershipTable.Update("removed")

	// A message gives up its foreign unique-id: at t(id) + 1.
	nameMember = membershipTable.Update("uidl")

	// Final deletes, each of one exact ID: at t(id) + 2.
	deleteContent = messageTable.DeletePartition()
	deleteMember  = membershipTable.Delete()

	// A read names all columns, wanted or not: if replicas differ, Cassandra
	// repairs the columns that were read and no others, and would leave rows
	// without some of them, which no delivery writes. Only the data of content
	// is left out where it is not wanted.
	selectMember  = membershipTable.Select(oneRow, "size", "removed", "uidl", "uid", "mod_seq").Where(cql.Equal("mailbox_id", "bucket", "message_id"))
	selectMembers = membershipTable.Select(listingPage, "message_id", "size", "uidl", "removed", "uid", "mod_seq").
			Where(cql.Equal("mailbox_id", "bucket"), cql.AtLeast("message_id"), cql.AtMost("message_id"))

	selectMembersOf = membershipTable.Select(idsAtOnce+1, "message_id", "size", "uidl", "removed", "uid", "mod_seq").
			Where(cql.Equal("mailbox_id", "bucket"), cql.In("message_id"))

	// The ledger: each timestamp is the value that is written, so that the
	// largest value wins in any order; where there is none, it is 1. A read
	// names all columns of a row, as those of memberships do.
	insertBucket = ledgerTable.Insert()
	insertUser   = ledgerTable.Insert("user")
	insertCrowd  = ledgerTable.Insert("crowd")
	insertOpened = ledgerTable.Insert("opened")
	insertSeal   = ledgerTable.Insert("seal")
	insertFence  = ledgerTable.Insert("fence")
	deleteBucket = ledgerTable.Delete()
	selectLedger = ledgerTable.Select(ledgerPage, ledgerColumns...).Where(cql.Equal("mailbox_id"))
	selectBucket = ledgerTable.Select(ledgerPage, ledgerColumns...).Where(cql.Equal("mailbox_id"), cql.In("bucket"))

	// The claims of foreign unique-ids: at t(id), and at t(id) + 1.
	insertClaim  = uidlTable.Insert()
	insertGone   = uidlTable.Insert("gone")
	selectClaims = uidlTable.Select(100, "message_id", "gone").Where(cql.Equal("mailbox_id", "uidl"))
)

var ledgerColumns = []string{"bucket", "crowd", "opened", "seal", "user", "fence"}

// Reads of a range of the ring, for scans.
var (
	selectMembersIn  = membershipTable.Select(listingPage, "mailbox_id", "bucket", "message_id", "size", "removed", "uidl", "uid", "mod_seq").Where(cql.TokenAfter(), cql.TokenUpTo())
	selectMailboxes  = ledgerTable.SelectPartitions(listingPage, "mailbox_id").Where(cql.TokenAfter(), cql.TokenUpTo())
	selectLedgersIn  = ledgerTable.Select(ledgerPage, append([]string{"mailbox_id"}, ledgerColumns...)...).Where(cql.TokenAfter(), cql.TokenUpTo())
	selectContentsIn = messageTable.Select(contentsPage, "message_id", "mailbox_id", "size", "chunks", "head", "sha256", "chunk").Where(cql.TokenAfter(), cql.TokenUpTo())
)
