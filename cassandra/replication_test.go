package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// P1: for a while after a change of the replication nothing is recorded as
// empty, since new replicas know nothing.
func TestP1NoGapSoonAfterAChangeOfReplication(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	start := time.Now().Add(-10 * 24 * time.Hour)
	clock := newClock(start)
	config.Now = clock.Now
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	first := storetest.Deliver(t, store, "demo", storetest.Body(1)).ID
	clock.advance(2 * time.Hour)

	// As if a host had seen another replication last.
	tables.Exec("UPDATE KS.settings USING TIMESTAMP 3 SET replication = 'another', replication_since = 0 WHERE id = 'popcask'")
	for range 2 {
		require.NoError(t, store.Prove(t.Context(), "demo"))
		require.Empty(t, tables.Gaps(id))
		clock.advance(24 * time.Hour)
	}
	clock.advance(6 * 24 * time.Hour)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	require.NotEmpty(t, tables.Gaps(id))
	require.Equal(t, []string{first}, storetest.ListIDs(t, store, "demo"))
}

// P1: for a while after a change of the replication no ghost, no incomplete
// message and no orphan is removed: what is missing on the new replicas may be
// elsewhere, and a message that is taken off the list does not come back.
func TestP1NothingIsRemovedSoonAfterAChangeOfReplication(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for user, p := range map[string]storetest.Plant{
		"anna": {Age: 2 * time.Hour, Listed: true, Bucket: true},
		"bob":  {Age: 2 * time.Hour, Content: "torn", Member: "live", Listed: true, Bucket: true},
		"carl": {Age: 12 * 24 * time.Hour, Content: "whole", Bucket: true},
	} {
		p.Put(tables, store, user)
	}
	tables.Exec("UPDATE KS.settings USING TIMESTAMP 3 SET replication = 'another', replication_since = 0 WHERE id = 'popcask'")
	options := cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true, Orphans: cassandra.PurgeOrphans}
	all := func(store *cassandra.Store) cassandra.Progress {
		p, err := store.RepairAll(t.Context(), cassandra.ScanOptions{RepairOptions: options})
		require.NoError(t, err)
		require.Equal(t, 3, p.Findings)
		return p
	}
	for _, user := range []string{"anna", "bob"} {
		report, err := store.Repair(t.Context(), user, options)
		require.NoError(t, err)
		require.Len(t, report.Findings, 1)
		require.Zero(t, report.Mended())
		require.Equal(t, 1, report.Postponed)
	}
	p := all(store)
	require.Zero(t, p.Mended)
	require.Equal(t, 3, p.Postponed)
	config.ReplicationRest = time.Nanosecond
	require.Equal(t, 3, all(storetest.NewStore(t, config)).Mended)
}

func TestParseReplication(t *testing.T) {
	for text, want := range map[string]cassandra.Replication{
		"dc1:3":             {"dc1": 3},
		"dc1:3,dc2:2":       {"dc1": 3, "dc2": 2},
		" dc1:3 , dc2:2 ":   {"dc1": 3, "dc2": 2},
		"eu-west:1,a_b.c:9": {"eu-west": 1, "a_b.c": 9},
	} {
		got, err := cassandra.ParseReplication(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		again, err := cassandra.ParseReplication(got.String())
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
	for _, text := range []string{"", ",", "dc1", "dc1:", ":3", "dc1:0", "dc1:-1", "dc1:x", "dc1:3,", "dc1:3.5", "dc1:3;dc2:3", "dc1 3", "dc1:99999999999999999999"} {
		_, err := cassandra.ParseReplication(text)
		require.ErrorContains(t, err, "want a data centre and its replicas, as in dc1:3,dc2:3", "%q", text)
	}
	_, err := cassandra.ParseReplication("dc1:1,dc1:2")
	require.EqualError(t, err, `cassandra: replication: data centre "dc1" comes twice`)
}
