package cassandra

import (
	"github.com/scylladb/gocqlx/v2/qb"
	"github.com/scylladb/gocqlx/v2/table"

	"github.com/popcask/popcask/internal/cql"
)

// The tables of schema.cql, and every statement that this package sends. They
// are built once.
var (
	settingsTable = table.New(table.Metadata{
		Name:    "settings",
		Columns: []string{"id", "version", "bucket_seconds", "namespace", "canonicaliser", "replication", "replication_since"},
		PartKey: []string{"id"},
	})
	messageTable = table.New(table.Metadata{
		Name:    "message",
		Columns: []string{"message_id", "chunk", "data", "mailbox_id", "size", "chunks", "head", "sha256"},
		PartKey: []string{"message_id"},
		SortKey: []string{"chunk"},
	})
	membershipTable = table.New(table.Metadata{
		Name:    "mailbox_message",
		Columns: []string{"mailbox_id", "bucket", "message_id", "uid", "mod_seq", "size", "uidl", "removed"},
		PartKey: []string{"mailbox_id", "bucket"},
		SortKey: []string{"message_id"},
	})
	ledgerTable = table.New(table.Metadata{
		Name:    "ledger",
		Columns: []string{"mailbox_id", "kind", "start", "until", "owner", "user"},
		PartKey: []string{"mailbox_id"},
		SortKey: []string{"kind", "start"},
	})
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
	insertSettings    = cql.Write(qb.Insert("settings").Columns("id", "version", "bucket_seconds", "namespace", "canonicaliser").TimestampNamed(cql.Timestamp))
	insertReplication = cql.Write(qb.Insert("settings").Columns("id", "replication", "replication_since").TimestampNamed(cql.Timestamp))
	selectReplication = cql.Read(1, settingsTable.SelectBuilder("replication", "replication_since"))
	selectClock       = cql.Read(1, qb.Select("system.local").Columns("toUnixTimestamp(now())")) // milliseconds
	selectSettings    = cql.Read(1, settingsTable.SelectBuilder("version", "bucket_seconds", "namespace", "canonicaliser"))

	// Adding content: at t(id).
	insertWhole  = cql.Write(qb.Insert("message").Columns("message_id", "chunk", "data", "mailbox_id", "size", "chunks", "head", "sha256").TimestampNamed(cql.Timestamp))
	insertFirst  = cql.Write(qb.Insert("message").Columns("message_id", "chunk", "data", "mailbox_id").TimestampNamed(cql.Timestamp))
	insertChunk  = cql.Write(qb.Insert("message").Columns("message_id", "chunk", "data").TimestampNamed(cql.Timestamp))
	insertStatic = cql.Write(qb.Insert("message").Columns("message_id", "size", "chunks", "head", "sha256").TimestampNamed(cql.Timestamp))

	selectContent = cql.Read(contentPage, messageTable.SelectBuilder("mailbox_id", "size", "chunks", "chunk", "data").Where(qb.GtOrEq("chunk")))
	selectTop     = cql.Read(1, messageTable.SelectBuilder("mailbox_id", "size", "chunks", "chunk", "data").Where(qb.GtOrEq("chunk")))
	selectChunks  = cql.Read(listingPage, messageTable.SelectBuilder("mailbox_id", "size", "chunks", "chunk"))

	// Adding membership: at t(id). Columns without a value are left out, since
	// a null would be a tombstone.
	insertMember        = cql.Write(qb.Insert("mailbox_message").Columns("mailbox_id", "bucket", "message_id", "uid", "mod_seq", "size").TimestampNamed(cql.Timestamp))
	insertMemberForeign = cql.Write(qb.Insert("mailbox_message").Columns("mailbox_id", "bucket", "message_id", "uid", "mod_seq", "size", "uidl").TimestampNamed(cql.Timestamp))

	// Marking as removed: at t(id) + 1. The commit point of a removal.
	markMember = cql.Write(qb.Update("mailbox_message").TimestampNamed(cql.Timestamp).Set("removed").Where(membershipTable.PrimaryKeyCmp()...))

	// Final deletes: at t(id) + 2, each of one exact ID.
	deleteContent = cql.Write(qb.Delete("message").TimestampNamed(cql.Timestamp).Where(qb.Eq("message_id")))
	deleteMember  = cql.Write(qb.Delete("mailbox_message").TimestampNamed(cql.Timestamp).Where(membershipTable.PrimaryKeyCmp()...))

	// What is read of a membership is all of it, wanted or not: where replicas
	// differ Cassandra repairs the columns that were read and no others, and what
	// is left without some of them is no membership as a delivery leaves it.
	selectMember  = cql.Read(1, qb.Select("mailbox_message").Columns("size", "removed", "uidl", "uid", "mod_seq").Where(membershipTable.PrimaryKeyCmp()...))
	selectMembers = cql.Read(listingPage, membershipTable.SelectBuilder("message_id", "size", "uidl", "removed", "uid", "mod_seq").
			Where(qb.GtOrEqNamed("message_id", "first"), qb.LtOrEqNamed("message_id", "last")))

	// The mailbox's own partition: grow-only, timestamps from the values.
	insertBucket = cql.Write(qb.Insert("ledger").Columns("mailbox_id", "kind", "start", "user").TimestampNamed(cql.Timestamp))
	insertRange  = cql.Write(qb.Insert("ledger").Columns("mailbox_id", "kind", "start", "until").TimestampNamed(cql.Timestamp))
	insertClaim  = cql.Write(qb.Insert("ledger").Columns("mailbox_id", "kind", "start", "owner", "until").TimestampNamed(cql.Timestamp))
	selectUser   = cql.Read(1, qb.Select("ledger").Columns("user").Where(qb.Eq("mailbox_id")).Limit(1))
	selectLedger = cql.Read(listingPage, ledgerTable.SelectBuilder("kind", "start", "until"))
	selectClaims = cql.Read(100, ledgerTable.SelectBuilder("owner", "until").Where(qb.Eq("kind")))
)

// Scans of a stretch of the ring.
var (
	selectMembersIn  = cql.Read(listingPage, qb.Select("mailbox_message").Columns("mailbox_id", "bucket", "message_id", "size", "removed", "uidl", "uid", "mod_seq").Where(within("mailbox_id", "bucket")...))
	selectLedgersIn  = cql.Read(listingPage, qb.Select("ledger").Columns("mailbox_id", "kind", "start", "until", "owner").Where(within("mailbox_id")...))
	selectContentsIn = cql.Read(contentsPage, qb.Select("message").Columns("message_id", "mailbox_id", "size", "chunks", "chunk").Where(within("message_id")...))
	selectContentAt  = cql.Read(1, qb.Select("message").Distinct("message_id").Where(within("message_id")...))
)

// within is the condition that a partition lies in a stretch of the ring.
func within(key ...string) []qb.Cmp {
	return []qb.Cmp{qb.Token(key...).GtValueNamed("after"), qb.Token(key...).LtOrEqValueNamed("until")}
}

// The kinds of rows of a mailbox's own partition.
const (
	kindBucket = "bucket"
	kindFence  = "fence"
	kindGap    = "gap"
	kindUIDL   = "uidl"
)
