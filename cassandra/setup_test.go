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

// newKeyspace returns the configuration of a new keyspace whose buckets have
// this width.
func newKeyspace(t testing.TB, bucket time.Duration) cassandra.Config {
	t.Helper()
	config := storetest.MigrateWith(t, cassandratest.Start(t, cassandratest.Topology{}), func(c *cassandra.Config) { c.Bucket = bucket })
	return config
}

// requireEmpty requires that nothing of a mailbox is listed, and that the
// tables of the keyspace are empty; except the ledger, which keeps the rows of
// buckets.
func requireEmpty(t *testing.T, cluster *cassandratest.Cluster, config cassandra.Config, store *cassandra.Store, user string) {
	t.Helper()
	require.Empty(t, storetest.List(t, store, user))
	report, err := store.Verify(t.Context(), user)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	require.Zero(t, report.Messages)
	session := cluster.Session(t, "")
	for _, table := range []string{"message", "mailbox_message", "projection"} {
		rows := session.Query("SELECT * FROM " + config.Keyspace + "." + table).Iter()
		found, err := rows.SliceMap()
		require.NoError(t, err)
		require.Empty(t, found, table)
	}
}

// bucketNow returns the bucket of a message that is delivered now. A test that
// begins in one bucket and ends in the next, once in 30 days, fails.
func bucketNow(_ testing.TB, store *cassandra.Store) int64 {
	return store.Session().Bucket(cassandra.MessageID(gocql.UUIDFromTime(time.Now())))
}

func ended(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

const defaultBucket = 30 * 24 * time.Hour

// bucketBegin returns when the bucket begins that is so many before the current
// one.
func bucketBegin(before int64) time.Time {
	current := time.Now().Unix() / int64(defaultBucket/time.Second)
	return time.Unix((current-before)*int64(defaultBucket/time.Second), 0)
}
