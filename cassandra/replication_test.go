package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// P1: for a while after a change of the replication nothing is sealed, since
// new replicas know nothing. The change is noted by the clock of a node, not by
// that of the host that sees it first.
func TestP1NoSealSoonAfterAChangeOfReplication(t *testing.T) {
	t.Parallel()
	cluster, config := provenByHand(t)
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	ids := deliverAt(t, config, "demo", time.Now().Add(-3*time.Hour), 3)
	noted := func() (text string, since time.Time) {
		var at int64
		require.NoError(t, tables.CQL.Query(tables.In("SELECT replication, replication_since FROM KS.settings")).Scan(&text, &at))
		return text, time.UnixMicro(at)
	}
	right, _ := noted()

	// As if a host had seen another replication last.
	tables.Exec("UPDATE KS.settings USING TIMESTAMP 4 SET replication = 'another', replication_since = 0 WHERE id = 'popcask'")
	before := time.Now().Truncate(time.Millisecond) // as a node shows it
	ahead := config
	ahead.Now = func() time.Time { return time.Now().Add(50 * time.Minute) }
	require.ErrorContains(t, storetest.NewStore(t, ahead).Prove(t.Context(), "demo"), "replication")
	text, since := noted()
	require.Equal(t, right, text)
	require.WithinRange(t, since, before, time.Now())
	for range 2 {
		require.ErrorContains(t, store.Prove(t.Context(), "demo"), "replication")
		_, again := noted()
		require.Equal(t, since, again)
		fence, err := store.Fence(t.Context(), id)
		require.NoError(t, err)
		require.Zero(t, fence)
	}
	require.Zero(t, sealOf(t, tables, id, ids[0]).Until)

	// A week ago, in the same place.
	week := time.Now().Add(-7*24*time.Hour - time.Minute).UnixMicro()
	tables.Exec("TRUNCATE KS.settings")
	require.NoError(t, cassandra.Migrate(t.Context(), config, cassandra.Replication{config.LocalDC: min(3, cluster.DCs[0].Nodes)}))
	tables.Exec("UPDATE KS.settings USING TIMESTAMP 4 SET replication_since = ? WHERE id = 'popcask'", week)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	require.Equal(t, 3, sealOf(t, tables, id, ids[0]).Sealed)
	require.Equal(t, ids, storetest.ListIDs(t, store, "demo"))
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
	tables.Exec("UPDATE KS.settings USING TIMESTAMP 4 SET replication = 'another', replication_since = 0 WHERE id = 'popcask'")
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
