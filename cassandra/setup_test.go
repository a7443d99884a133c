package cassandra_test

import (
	"context"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// newKeyspace returns the configuration of a new keyspace.
func newKeyspace(t testing.TB) cassandra.Config {
	t.Helper()
	return storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
}

// requireEmpty requires that nothing of a mailbox is listed, and that the
// tables of the keyspace are empty, once what failed is undone behind its caller;
// except the ledger, which keeps the rows of buckets.
func requireEmpty(t *testing.T, cluster *cassandratest.Cluster, config cassandra.Config, store *cassandra.Store, user string) {
	t.Helper()
	require.Empty(t, storetest.List(t, store, user))
	session := cluster.Session(t, "")
	for _, table := range []string{"message", "mailbox_message", "projection"} {
		storetest.Eventually(t, table+" is empty", func() bool {
			rows := session.Query("SELECT * FROM " + config.Keyspace + "." + table).Iter()
			found, err := rows.SliceMap()
			require.NoError(t, err)
			return len(found) == 0
		})
	}
	report, err := store.Verify(t.Context(), user)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	require.Zero(t, report.Messages)
}

// bucketNow returns the bucket of a message that is delivered now: one of 30
// days. A test that begins in one bucket and ends in the next fails.
func bucketNow(testing.TB, *cassandra.Store) int64 { return idOf(time.Now(), 0).Bucket() }

// idOf makes an ID of a moment whose bucket has a width: 0 for 30 days, 1 for a
// day, 2 for an hour.
func idOf(at time.Time, width byte) cassandra.MessageID {
	id := cassandra.MessageID(gocql.UUIDFromTime(at))
	id[9] = id[9]&^3 | width
	return id
}

func ended(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

const month = 30 * 24 * time.Hour // the width of almost all buckets
