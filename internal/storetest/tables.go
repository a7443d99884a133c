package storetest

import (
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

// Gaps returns the gaps that a mailbox has in its ledger: the end of each, by
// its beginning.
func (r Tables) Gaps(id cassandra.MailboxID) map[int64]int64 {
	r.T.Helper()
	gaps := make(map[int64]int64)
	rows := r.CQL.Query(r.In("SELECT start, until FROM KS.ledger WHERE mailbox_id = ? AND kind = 'gap'"), [16]byte(id)).Iter()
	for start, until := int64(0), int64(0); rows.Scan(&start, &until); {
		gaps[start] = until
	}
	require.NoError(r.T, rows.Close())
	return gaps
}

// Mark marks a message as removed, as a session does that is killed after that.
func (r Tables) Mark(store *cassandra.Store, user, message string) {
	r.T.Helper()
	id, err := cassandra.ParseMessageID(message)
	require.NoError(r.T, err)
	mailbox, _, err := store.Mailbox(user)
	require.NoError(r.T, err)
	r.Exec("UPDATE KS.mailbox_message USING TIMESTAMP ? SET removed = true WHERE mailbox_id = ? AND bucket = ? AND message_id = ?",
		cassandra.AddedAt(id)+1, [16]byte(mailbox), store.Session().Bucket(id), [16]byte(id))
}
