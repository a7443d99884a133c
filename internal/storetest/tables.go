package storetest

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
)

// Tables reads and writes the tables of a keyspace past the store. In its
// statements KS stands for the keyspace.
type Tables struct {
	T        testing.TB
	CQL      *gocql.Session
	Keyspace string
}

// TablesOf returns the tables of a configuration's keyspace, in its data
// centre.
func TablesOf(t testing.TB, cluster *cassandratest.Cluster, config cassandra.Config) Tables {
	return Tables{t, cluster.Session(t, config.LocalDC), config.Keyspace}
}

// In returns a statement with the name of the keyspace.
func (r Tables) In(statement string) string {
	return strings.ReplaceAll(statement, "KS", r.Keyspace)
}

// Exec runs a statement, which must name its timestamp.
func (r Tables) Exec(statement string, values ...any) {
	r.T.Helper()
	require.NoError(r.T, r.CQL.Query(r.In(statement), values...).DefaultTimestamp(false).Exec())
}

// Count returns the number that a statement selects.
func (r Tables) Count(statement string, values ...any) (n int) {
	r.T.Helper()
	require.NoError(r.T, r.CQL.Query(r.In(statement), values...).Scan(&n))
	return n
}

// Members counts the messages of a mailbox in a bucket.
func (r Tables) Members(store *cassandra.Store, user string, bucket int64) int {
	r.T.Helper()
	id, _, err := store.Mailbox(user)
	require.NoError(r.T, err)
	return r.Count("SELECT count(*) FROM KS.mailbox_message WHERE mailbox_id = ? AND bucket = ?", [16]byte(id), bucket)
}

// Entries counts the messages of a mailbox in a bucket that the index lists.
func (r Tables) Entries(store *cassandra.Store, user string, bucket int64) int {
	r.T.Helper()
	id, _, err := store.Mailbox(user)
	require.NoError(r.T, err)
	return r.Count("SELECT count(*) FROM KS.projection WHERE mailbox_id = ? AND bucket = ?", [16]byte(id), bucket)
}

// Contents counts the messages of the keyspace that have any content.
func (r Tables) Contents() int {
	r.T.Helper()
	iter := r.CQL.Query(r.In("SELECT DISTINCT message_id FROM KS.message")).Iter()
	n := iter.NumRows()
	require.NoError(r.T, iter.Close())
	return n
}

// Content counts the rows of a message's content.
func (r Tables) Content(id cassandra.MessageID) int {
	r.T.Helper()
	return r.Count("SELECT count(*) FROM KS.message WHERE message_id = ?", [16]byte(id))
}

// Seal writes a seal of a bucket up to a time, in microseconds, with those
// messages that are in the mailbox now and for which keep returns true.
func (r Tables) Seal(id cassandra.MailboxID, bucket, until int64, keep func(cassandra.MessageID) bool) {
	r.T.Helper()
	blob := binary.BigEndian.AppendUint64([]byte{1}, uint64(until))
	blob = binary.BigEndian.AppendUint64(blob, 0) // the bucket was never opened
	rows := r.CQL.Query(r.In("SELECT message_id FROM KS.mailbox_message WHERE mailbox_id = ? AND bucket = ?"), [16]byte(id), bucket).Iter()
	for message := (gocql.UUID{}); rows.Scan(&message); {
		if other := cassandra.MessageID(message); other.Timestamp() <= until && keep(other) {
			blob = append(blob, message[:]...)
		}
	}
	require.NoError(r.T, rows.Close())
	r.Exec("INSERT INTO KS.ledger (mailbox_id, bucket, seal) VALUES (?, ?, ?) USING TIMESTAMP ?", [16]byte(id), bucket, blob, until)
}

// Row is the row of a bucket in a ledger.
type Row struct {
	Crowd  int
	Opened int64 // microseconds
	Until  int64 // microseconds: of the seal; 0 if there is none
	Sealed int   // IDs in the seal
}

// Ledger returns the rows of the buckets of a mailbox, by their numbers.
func (r Tables) Ledger(id cassandra.MailboxID) map[int64]Row {
	r.T.Helper()
	ledger := make(map[int64]Row)
	rows := r.CQL.Query(r.In("SELECT bucket, crowd, opened, seal FROM KS.ledger WHERE mailbox_id = ?"), [16]byte(id)).Iter()
	var bucket int64
	var row Row
	for seal := []byte(nil); rows.Scan(&bucket, &row.Crowd, &row.Opened, &seal); seal = nil {
		if row.Until, row.Sealed = 0, 0; len(seal) > 0 {
			row.Until, row.Sealed = int64(binary.BigEndian.Uint64(seal[1:])), (len(seal)-17)/16
		}
		if bucket != -1 {
			ledger[bucket] = row
		}
	}
	require.NoError(r.T, rows.Close())
	return ledger
}

// Mark marks a message as removed, as a session does that is killed after that.
func (r Tables) Mark(store *cassandra.Store, user, message string) {
	r.T.Helper()
	id, err := cassandra.ParseMessageID(message)
	require.NoError(r.T, err)
	mailbox, _, err := store.Mailbox(user)
	require.NoError(r.T, err)
	r.Exec("UPDATE KS.mailbox_message USING TIMESTAMP ? SET removed = true WHERE mailbox_id = ? AND bucket = ? AND message_id = ?",
		cassandra.AddedAt(id)+1, [16]byte(mailbox), id.Bucket(), [16]byte(id))
}
