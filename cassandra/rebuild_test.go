package cassandra_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// P1, P3, P5: an index that has lost its table is built again from the
// memberships. All messages are listed again, those of the last minute too,
// with their unique-ids and sizes. Messages that are removed, or marked as
// removed, are not.
func TestP1TheIndexIsRebuilt(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 16 << 10
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	const users = 6
	before := make(map[string]any)
	var marked []string
	for n := range users {
		user := fmt.Sprintf("user%d", n)
		for i := range 8 {
			storetest.Deliver(t, store, user, storetest.Body(i))
		}
		storetest.Deliver(t, store, user, storetest.BigBody(uint64(n), 100<<10))
		storetest.Plant{Age: 40 * 24 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true, UIDL: "foreign"}.Put(tables, store, user)
		storetest.Plant{Age: 2 * time.Hour, Content: "torn", Member: "live", Bucket: true}.Put(tables, store, user)
		messages := storetest.List(t, store, user)
		require.NoError(t, storetest.Open(t, store, user).Delete(t.Context(), storetest.IDs(messages[1:3])))
		marked = append(marked, messages[3].ID)
		tables.Mark(store, user, messages[3].ID)
		before[user] = append(messages[:1:1], messages[4:]...)
	}
	for _, all := range []bool{false, true} {
		tables.Exec("TRUNCATE KS.projection")
		require.Empty(t, storetest.List(t, store, "user0"))
		if all {
			p, err := store.RebuildAll(t.Context(), cassandra.ScanOptions{})
			require.NoError(t, err)
			require.Equal(t, 7*users, p.Mended)
			require.Zero(t, p.Failed)
		} else {
			for user := range before {
				listed, err := store.Rebuild(t.Context(), user)
				require.NoError(t, err)
				require.Equal(t, 7, listed)
				listed, err = store.Rebuild(t.Context(), user)
				require.NoError(t, err)
				require.Zero(t, listed, "there is nothing left to do")
			}
		}
		for user, messages := range before {
			require.Equal(t, messages, storetest.List(t, store, user))
			require.Len(t, storetest.Readable(t, store, user), 7)
		}
	}
	p, err := store.RebuildAll(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	require.Zero(t, p.Mended)
	for n, id := range marked {
		require.NotContains(t, storetest.ListIDs(t, store, fmt.Sprintf("user%d", n)), id)
	}
}
