package cassandra_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P8: a cluster that has lost its quorum gets no more than three times the
// statements of a delivery that succeeds, the undoing in the background
// included; and so it is for a removal. What is left to do waits until the
// cluster accepts it.
func TestP8AFailureIsNotAmplified(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	admin := cluster.Session(t, config.LocalDC)
	replicas := func(n int) {
		require.NoError(t, admin.Query(fmt.Sprintf(`ALTER KEYSPACE "%s" WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %d}`, config.Keyspace, config.LocalDC, n)).Exec())
	}
	storetest.Deliver(t, store, "bob", storetest.Body(0))
	seen.Take()
	kept := storetest.Deliver(t, store, "bob", storetest.Body(1)).ID
	most := 3 * len(seen.Take())

	replicas(2) // of one node: no quorum
	const deliveries = 20
	for n := range deliveries {
		_, err := storetest.TryDeliver(t.Context(), store, "bob", storetest.Body(n))
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}
	storetest.Eventually(t, "the undoing is refused", func() bool { return store.Stats().PurgesRefuse })
	require.LessOrEqual(t, len(seen.Take()), deliveries*most)
	require.Positive(t, store.Stats().PurgesWaiting, "%+v", store.Stats())

	replicas(1)
	storetest.Eventually(t, "the undoing is done", func() bool { return store.Stats() == cassandra.Stats{} })
	require.Len(t, storetest.ListIDs(t, store, "bob"), 2)
	require.Contains(t, storetest.ListIDs(t, store, "bob"), kept)
	storetest.Consistent(t, config, "bob")
}

// P8: a delivery, a listing, a read and a removal end with their context, even
// if the only node hangs and the queue of purges is full.
func TestP8NoCallOutlivesItsContext(t *testing.T) {
	slow.Test(t, "a node of its own, which hangs")
	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true})
	config := storetest.Migrate(t, cluster)
	config.PurgeQueue, config.PurgeWorkers = 1, 1
	store := storetest.NewStore(t, config)
	var ids []string
	for n := range 6 {
		ids = append(ids, storetest.Deliver(t, store, "bob", storetest.Body(n)).ID)
	}
	mb := storetest.Open(t, store, "bob")
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	require.NoError(t, cluster.Pause("dc1-1"))
	defer cluster.Resume("dc1-1")
	calls := map[string]func(ctx context.Context, n int) error{
		"Append": func(ctx context.Context, n int) error {
			_, err := storetest.TryDeliver(ctx, store, "bob", storetest.Body(n))
			return err
		},
		"Messages": func(ctx context.Context, _ int) error {
			_, err := mailbox.List(ctx, storetest.Open(t, store, "bob"))
			return err
		},
		"Open":   func(ctx context.Context, n int) error { _, err := storetest.Read(ctx, mb, ids[n]); return err },
		"Delete": func(ctx context.Context, n int) error { return mb.Delete(ctx, ids[n:n+1]) },
		"Verify": func(ctx context.Context, _ int) error { _, err := store.Verify(ctx, "bob"); return err },
	}
	for name, call := range calls {
		for n := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			began := time.Now()
			require.Error(t, call(ctx, n), name)
			require.Less(t, time.Since(began), 1500*time.Millisecond, name)
			cancel()
		}
	}
	require.NoError(t, cluster.Resume("dc1-1"))
	storetest.Eventually(t, "the store works again", func() bool {
		_, err := mailbox.List(t.Context(), storetest.Open(t, store, "bob"))
		return err == nil
	})
}
