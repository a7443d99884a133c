package clustertests

import (
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

// A scan in a data centre that lags behind another one finds nothing wrong with
// what has not arrived, purges no content whose membership is only over there,
// and mends what is wrong over there; while the other one does not answer it says
// so, and writes nothing (P1, P2).
func TestScanOfADataCentreThatLags(t *testing.T) {
	slow.Test(t, "two nodes, which are killed in turn")
	t.Parallel()
	cluster := cassandratest.Start(t, dcTopology(t))
	one, two := cluster.DCs[0].Name, cluster.DCs[1].Name
	config1 := storetest.Migrate(t, cluster)
	config1.Timeout = 5 * time.Second
	config2 := storetest.In(config1, cluster, two)
	var heard storetest.Recorder
	config2.Observer = heard.Observe
	store1 := storetest.NewStore(t, config1)
	scan := cassandra.ScanOptions{RepairOptions: cassandra.RepairOptions{
		Confirm: time.Millisecond, RemoveIncomplete: true, Orphans: cassandra.PurgeOrphans,
	}}

	// dc2 misses all of it, hints are off.
	require.NoError(t, cluster.Kill(two))
	tables1 := storetest.TablesOf(t, cluster, config1)
	const users, each, old = 5, 4, 12 * 24 * time.Hour
	var unlisted, listed []cassandra.MessageID
	for n := range users {
		user := fmt.Sprintf("user%d", n)
		for i := range each {
			storetest.Deliver(t, store1, user, storetest.Body(i))
		}
		unlisted = append(unlisted, storetest.Plant{Age: old, Content: "whole", Member: "live", Bucket: true}.Put(tables1, store1, user))
		listed = append(listed, storetest.Plant{Age: old, Content: "chunked", Member: "live", Listed: true, Bucket: true}.Put(tables1, store1, user))
	}
	wake(t, cluster, two, store1)
	store2 := storetest.NewStore(t, storetest.Later(config2))
	tables2 := storetest.TablesOf(t, cluster, config2)
	require.Empty(t, storetest.List(t, store2, "user0"), "it lags")
	// Of this one the content has arrived, and of that one its place on the list.
	storetest.Plant{Content: "chunked"}.Write(tables2, store1, "user0", listed[0])
	storetest.Plant{Listed: true}.Write(tables2, store1, "user1", listed[1])
	require.Equal(t, 3, tables2.Content(listed[0]))
	require.Zero(t, tables2.Members(store2, "user0", store2.Session().Bucket(listed[0])))
	require.Equal(t, 1, tables2.Entries(store2, "user1", store2.Session().Bucket(listed[1])))

	verified, err := store2.VerifyAll(t.Context(), scan)
	require.NoError(t, err)
	require.Equal(t, users*(each+2), verified.Messages)
	require.Equal(t, len(unlisted), verified.Findings)
	require.Zero(t, verified.Failed)

	require.NoError(t, cluster.Kill(one))
	heard.Take()
	_, err = store2.VerifyAll(t.Context(), scan)
	require.Error(t, err)
	p, err := store2.RepairAll(t.Context(), scan)
	require.Error(t, err)
	require.Zero(t, p.Mended)
	_, err = store2.Rebuild(t.Context(), "user0")
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	for _, o := range heard.Take() {
		require.Contains(t, o.Statement, "SELECT", "nothing is written")
	}
	wake(t, cluster, one, store1)

	storetest.Eventually(t, "both data centres are asked again", func() bool {
		_, err := store2.Verify(t.Context(), "user0")
		return err == nil
	})
	scan.Resume = p.Resume
	repaired, err := store2.RepairAll(t.Context(), scan)
	require.NoError(t, err)
	require.Equal(t, len(unlisted), repaired.Mended)
	again, err := store1.VerifyAll(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	require.Zero(t, again.Findings)
	for n := range users {
		require.Len(t, storetest.Readable(t, store1, fmt.Sprintf("user%d", n)), each+2)
	}
}
