package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/projection"
)

// P5: three live messages show one foreign unique-id, as a migration left them
// that claimed it too late. Verify finds the two younger ones, and says so
// whatever asks it. After a repair each message shows a unique-id of its own,
// the oldest the foreign one, and an event of the index that comes late changes
// nothing.
func TestP5MessagesWithOneUniqueIDAreParted(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	box, _, err := store.Mailbox("bob")
	require.NoError(t, err)
	plant := storetest.Plant{Content: "whole", Member: "live", Listed: true, Bucket: true, UIDL: "uid-1"}
	var ids []cassandra.MessageID
	for _, hours := range []time.Duration{900, 30, 2} {
		plant.Age = hours * time.Hour
		id := plant.Put(tables, store, "bob")
		tables.Exec("INSERT INTO KS.uidl (mailbox_id, uidl, message_id) VALUES (?, ?, ?) USING TIMESTAMP ?", [16]byte(box), "uid-1", [16]byte(id), id.Timestamp())
		ids = append(ids, id)
	}
	other := storetest.Plant{Age: time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true, UIDL: "uid-2"}.Put(tables, store, "bob")

	report, err := store.Verify(t.Context(), "bob")
	require.NoError(t, err)
	require.Len(t, report.Findings, 2)
	for i, f := range report.Findings {
		require.Equal(t, cassandra.Doubled, f.Kind)
		require.Equal(t, ids[i+1], f.ID)
	}
	all, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	require.Equal(t, 2, all.Findings)

	report, err = store.Repair(t.Context(), "bob", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Equal(t, 2, report.Mended())
	index := projection.New(store.Session())
	require.NoError(t, index.Added(t.Context(), box, cassandra.Entry{ID: ids[2], Size: 1, UIDL: "uid-1"}))
	want := map[string]string{ids[0].String(): "uid-1", ids[1].String(): ids[1].String(), ids[2].String(): ids[2].String(), other.String(): "uid-2"}
	require.Equal(t, want, storetest.DistinctUIDLs(t, store, "bob"))
	report, err = store.Verify(t.Context(), "bob")
	require.NoError(t, err)
	require.Empty(t, report.Findings)

	// One that was renamed is removed as any other.
	require.NoError(t, storetest.Open(t, store, "bob").Delete(t.Context(), []string{ids[2].String()}))
	storetest.CloseStore(t, store)
	delete(want, ids[2].String())
	require.Equal(t, want, storetest.DistinctUIDLs(t, storetest.NewStore(t, config), "bob"))
	require.Zero(t, tables.Content(ids[2]))
}
