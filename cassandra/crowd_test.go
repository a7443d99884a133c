package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// P7: a mailbox that gets much mail has narrower buckets, so that no partition
// grows large. Everything is listed, in the order of the IDs, also by a process
// that knows nothing of the mailbox and begins with the widest bucket again.
func TestP7NarrowerBucketsForACrowd(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.BucketMessages = 20 // every second delivery writes the crowd
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	var ids []string
	widths := make(map[int64]int)
	deliver := func(s *cassandra.Store, n int) {
		for range n {
			id := storetest.Deliver(t, s, "journal", storetest.Body(len(ids))).ID
			ids = append(ids, id)
			parsed, err := cassandra.ParseMessageID(id)
			require.NoError(t, err)
			widths[parsed.Bucket()&3]++
		}
	}
	deliver(store, 100)
	require.Equal(t, ids, storetest.ListIDs(t, store, "journal"))
	require.Len(t, widths, 3, "a bucket of each width")
	require.Less(t, widths[0], 60)
	require.Less(t, widths[1], 60)

	other := storetest.NewStore(t, config)
	before := widths[2]
	deliver(other, 10)
	require.GreaterOrEqual(t, widths[2], before+8, "it reads the crowd, and two deliveries later it is back at an hour")
	require.Equal(t, ids, storetest.ListIDs(t, other, "journal"))

	id, _, err := store.Mailbox("journal")
	require.NoError(t, err)
	for bucket, row := range tables.Ledger(id) {
		require.LessOrEqual(t, row.Crowd, 11, "bucket %d", bucket)
	}
	storetest.Remove(t, store, "journal", ids[:50])
	require.Equal(t, ids[50:], storetest.ListIDs(t, store, "journal"))
	report, err := store.Verify(t.Context(), "journal")
	require.NoError(t, err)
	require.Empty(t, report.Findings)

	quiet := storetest.Deliver(t, store, "quiet", storetest.Body(1)).ID
	parsed, err := cassandra.ParseMessageID(quiet)
	require.NoError(t, err)
	require.Zero(t, parsed.Bucket()&3)
	require.WithinDuration(t, time.Now(), parsed.Time(), time.Minute)
}
