package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P1, P5: a message lies under a seal that leaves it out, for example because a
// backup was restored. Repair opens the bucket: the message is listed again,
// under its own ID and unique-id, however large it is, and the next seal keeps
// it.
func TestP1RepairOpensWhatASealHides(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	config.Horizon = time.Minute
	config.MaxMessageSize = 30 // octets, since then
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	for user, plant := range map[string]storetest.Plant{
		"whole@example.org":       {Content: "whole", Member: "live", Listed: true},
		"chunked@example.org":     {Content: "chunked", Member: "live", Listed: true},
		"foreign@example.org":     {Content: "whole", Member: "live", Listed: true, UIDL: "uid-7"},
		"unlisted@example.org":    {Content: "whole", Member: "live"},
		"no-member@example.org":   {Content: "whole", Listed: true},
		"no-member-f@example.org": {Content: "chunked", Listed: true, UIDL: "uid-8"},
	} {
		plant.Age, plant.Bucket, plant.Sealed = 2*time.Hour, true, true
		box, _, err := store.Mailbox(user)
		require.NoError(t, err)
		id := plant.Put(tables, store, user)
		tables.Exec("INSERT INTO KS.ledger (mailbox_id, bucket, fence) VALUES (?, -1, ?) USING TIMESTAMP ?", [16]byte(box), id.Timestamp(), id.Timestamp())
		require.Empty(t, storetest.List(t, store, user), user)
		storetest.Eventually(t, "mended, "+user, func() bool { // one finding may hide another
			_, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
			require.NoError(t, err)
			report, err := store.Verify(t.Context(), user)
			require.NoError(t, err)
			return len(report.Findings) == 0
		})
		check := func() {
			listed := storetest.List(t, store, user)
			require.Len(t, listed, 1, user)
			require.Equal(t, id.String(), listed[0].ID)
			want := plant.UIDL
			if want == "" {
				want = id.String()
			}
			require.Equal(t, want, mailbox.UIDL(listed[0]))
			storetest.Holds(t, store, user, plant.Body())
		}
		check()
		row := tables.Ledger(box)[id.Bucket()]
		require.WithinDuration(t, time.Now(), time.UnixMicro(row.Opened), time.Minute)
		require.NoError(t, store.Prove(t.Context(), user))
		row = tables.Ledger(box)[id.Bucket()]
		require.Equal(t, 1, row.Sealed, "the next seal has it")
		check()
	}
}

// P1: a bucket without a row, at or below the fence, gets one that the deletion
// of the old row does not hide.
func TestP1RepairOpensABucketWithoutARow(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	config.Horizon = time.Minute
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	first := storetest.Plant{Age: 65 * 24 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(tables, store, "demo")
	storetest.Remove(t, store, "demo", []string{first.String()})
	require.NoError(t, store.Prove(t.Context(), "demo"))
	require.NotContains(t, tables.Ledger(box), first.Bucket())

	restored := storetest.Plant{Age: 65*24*time.Hour - time.Second, Content: "whole", Member: "live", Listed: true}.Put(tables, store, "demo")
	require.Empty(t, storetest.List(t, store, "demo"))
	report, err := store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	requireFinding(t, report, cassandra.Hidden, restored, restored.Bucket())
	require.Equal(t, 1, report.Mended())
	require.Equal(t, []string{restored.String()}, storetest.ListIDs(t, store, "demo"))

	var found []cassandra.Finding
	_, err = store.VerifyAll(t.Context(), cassandra.ScanOptions{Found: func(r cassandra.Report) { found = append(found, r.Findings...) }})
	require.NoError(t, err)
	require.Empty(t, found)
}
