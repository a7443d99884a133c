package cassandra_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/mailbox"
)

// A scan in a data centre that lags behind another one finds nothing wrong with
// what has not arrived, purges no content whose membership is only over there,
// and mends what is wrong over there; while the other one does not answer it says
// so, and writes nothing (P1, P2).
func TestP1P2ScanOfADataCentreThatLags(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts two nodes of its own")
	}
	t.Parallel()
	cluster := cassandratest.Start(t, dcTopology(t))
	one, two := cluster.DCs[0].Name, cluster.DCs[1].Name
	config1 := migrated(t, cluster)
	config1.Timeout = 5 * time.Second
	config2 := config1
	config2.Hosts, config2.LocalDC = cluster.Hosts(two), two
	var heard recorder
	config2.Observer = heard.observe
	store1 := newStore(t, config1)
	wake := func(dc string) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		require.NoError(t, cluster.Settle(ctx))
		require.NoError(t, cluster.Boot(ctx, dc))
		require.NoError(t, cluster.Settle(ctx))
		eventually(t, "the store works again", func() bool {
			_, err := store1.Verify(ctx, "nobody@example.org")
			return err == nil
		})
	}
	scan := cassandra.ScanOptions{RepairOptions: cassandra.RepairOptions{
		Confirm: time.Millisecond, RemoveIncomplete: true, Orphans: cassandra.PurgeOrphans,
	}}

	// dc2 misses all of it, hints are off.
	require.NoError(t, cluster.Kill(two))
	tables1 := tablesOf(t, cluster, config1)
	const users, each, old = 5, 4, 12 * 24 * time.Hour
	var unlisted, listed []cassandra.MessageID
	for n := range users {
		user := fmt.Sprintf("user%d", n)
		for i := range each {
			deliver(t, store1, user, body(i))
		}
		unlisted = append(unlisted, plant{age: old, content: "whole", member: "live", bucket: true}.put(tables1, store1, user))
		listed = append(listed, plant{age: old, content: "chunked", member: "live", listed: true, bucket: true}.put(tables1, store1, user))
	}
	wake(two)
	store2 := newStore(t, later(config2))
	tables2 := tablesOf(t, cluster, config2)
	require.Empty(t, list(t, store2, "user0"), "it lags")
	// Of this one the content has arrived, and of that one its place on the list.
	plant{content: "chunked"}.write(tables2, store1, "user0", listed[0])
	plant{listed: true}.write(tables2, store1, "user1", listed[1])
	require.Equal(t, 3, tables2.content(listed[0]))
	require.Zero(t, tables2.members(store2, "user0", store2.Bucket(listed[0])))
	require.Equal(t, 1, tables2.entries(store2, "user1", store2.Bucket(listed[1])))

	verified, err := store2.VerifyAll(t.Context(), scan)
	require.NoError(t, err)
	require.Equal(t, users*(each+2), verified.Messages)
	require.Equal(t, len(unlisted), verified.Findings)
	require.Zero(t, verified.Failed)

	require.NoError(t, cluster.Kill(one))
	heard.take()
	_, err = store2.VerifyAll(t.Context(), scan)
	require.Error(t, err)
	p, err := store2.RepairAll(t.Context(), scan)
	require.Error(t, err)
	require.Zero(t, p.Mended)
	_, err = store2.Rebuild(t.Context(), "user0")
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	for _, o := range heard.take() {
		require.Contains(t, o.Statement, "SELECT", "nothing is written")
	}
	wake(one)

	eventually(t, "both data centres are asked again", func() bool {
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
		require.Len(t, readable(t, store1, fmt.Sprintf("user%d", n)), each+2)
	}
}
