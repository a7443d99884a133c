package cassandra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// sealing returns a configuration in which a seal reaches up to a second ago.
func sealing(config cassandra.Config) cassandra.Config {
	config.Horizon = time.Second
	config.SealAfter = -1 // only when a test asks
	return config
}

// provable waits until a proof has sealed everything that is there now.
func provable(t *testing.T, store *cassandra.Store, user string) {
	t.Helper()
	id, _, err := store.Mailbox(user)
	require.NoError(t, err)
	now := time.Now().UnixMicro()
	storetest.Eventually(t, "a seal of everything", func() bool {
		require.NoError(t, store.Prove(t.Context(), user))
		fence, err := store.Fence(t.Context(), id)
		require.NoError(t, err)
		return fence > now
	})
}

// P7: what a seal leaves out is not read any more, and what stays is read by
// its IDs. Later mail is listed, and so is what a later seal keeps.
func TestP7ASealListsWhatStays(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	row := func() storetest.Row {
		ledger := tables.Ledger(box)
		require.Len(t, ledger, 1)
		return ledger[bucketNow(t, store)]
	}

	var ids, gone []string
	for n := range 60 {
		ids = append(ids, storetest.Deliver(t, store, "demo", storetest.Body(n)).ID)
		if n != 20 && n != 40 {
			gone = append(gone, ids[n])
		}
	}
	storetest.Remove(t, store, "demo", gone)
	require.Zero(t, row().Until)
	provable(t, store, "demo")
	require.Equal(t, 2, row().Sealed)
	survivors := []string{ids[20], ids[40]}
	for _, s := range []*cassandra.Store{store, storetest.NewStore(t, config)} {
		seen.Take()
		require.Equal(t, survivors, storetest.ListIDs(t, s, "demo"))
		var statements []string
		for _, o := range seen.Take() {
			require.Equal(t, "LOCAL_QUORUM", o.Consistency)
			statements = append(statements, o.Statement)
		}
		require.Len(t, statements, 3, "the ledger, the IDs, and the bucket behind the seal")
		require.Contains(t, strings.Join(statements[1:], " "), "message_id IN")
	}

	last := storetest.Deliver(t, store, "demo", storetest.Body(61)).ID
	require.Equal(t, append(survivors, last), storetest.ListIDs(t, store, "demo"))
	storetest.Remove(t, store, "demo", survivors[:1])
	require.Equal(t, []string{survivors[1], last}, storetest.ListIDs(t, store, "demo"))
	provable(t, store, "demo")
	require.Equal(t, 2, row().Sealed)
	require.Equal(t, []string{survivors[1], last}, storetest.ListIDs(t, store, "demo"))
	for id, text := range storetest.Readable(t, store, "demo") {
		require.NotEmpty(t, text, id)
	}
}

// P7: the row of a bucket whose time is over, and that lists nothing, goes. P1:
// a delivery that comes so late that its bucket has no row any more meets the
// fence, and is not acknowledged.
func TestP7TheRowOfAnEmptyBucketGoes(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	old := storetest.Plant{Age: 65 * 24 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(tables, store, "demo")
	kept := storetest.Plant{Age: 32 * 24 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(tables, store, "demo")
	storetest.Remove(t, store, "demo", []string{old.String()})
	require.Contains(t, tables.Ledger(box), old.Bucket())
	provable(t, store, "demo")
	require.NotContains(t, tables.Ledger(box), old.Bucket())
	require.Equal(t, []string{kept.String()}, storetest.ListIDs(t, store, "demo"))
	storetest.Deliver(t, store, "demo", storetest.Body(1))
	require.Len(t, storetest.ListIDs(t, store, "demo"), 2)

	config.Now = func() time.Time { return time.Now().Add(-65 * 24 * time.Hour) }
	config.Horizon = aLife
	_, err = storetest.TryDeliver(t.Context(), storetest.NewStore(t, config), "demo", storetest.Body(2))
	require.ErrorContains(t, err, "took too long")
	require.Len(t, storetest.ListIDs(t, store, "demo"), 2)
	storetest.Eventually(t, "nothing stays of it", func() bool { return tables.Contents() == 2 })
}

// P7: a bucket in which much stays is not sealed after a few removals, and not
// even read to its end.
func TestP7ALookIsNotDearerThanTheRemoval(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	config.SealAfter = 1000 // what stays may be a fortieth of the weight
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	var ids []string
	for n := range 30 {
		ids = append(ids, storetest.Deliver(t, store, "demo", storetest.Body(n)).ID)
	}
	storetest.Eventually(t, "the mail is old enough", func() bool {
		seen.Take()
		require.NoError(t, store.ProveFor(t.Context(), "demo", 1000, bucketNow(t, store)))
		for _, o := range seen.Take() {
			require.Equal(t, "LOCAL_QUORUM", o.Consistency, "30 stay, which is more than 25: nothing is proven: %s", o.Statement)
		}
		return time.Since(parseID(t, ids[29]).Time()) > 2*config.Horizon
	})
	require.Zero(t, tables.Ledger(box)[bucketNow(t, store)].Until)
	require.NoError(t, store.ProveFor(t.Context(), "demo", 1200, bucketNow(t, store)))
	require.Equal(t, 30, tables.Ledger(box)[bucketNow(t, store)].Sealed)
	require.Equal(t, ids, storetest.ListIDs(t, store, "demo"))
}

// P4: a session is killed after it has marked a message, and before the index
// was told. The next proof finishes the removal, and does not hide the rest of
// it.
func TestP4AProofFinishesARemoval(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	marked := storetest.Deliver(t, store, "demo", storetest.Body(1)).ID
	kept := storetest.Deliver(t, store, "demo", storetest.Body(2)).ID
	tables.Mark(store, "demo", marked)
	require.Len(t, storetest.ListIDs(t, store, "demo"), 2)
	provable(t, store, "demo")
	require.Equal(t, []string{kept}, storetest.ListIDs(t, store, "demo"))
	require.Zero(t, tables.Content(parseID(t, marked)))
	report, err := store.Verify(t.Context(), "demo")
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	require.Equal(t, 1, report.Messages)
}

func parseID(t testing.TB, text string) cassandra.MessageID {
	t.Helper()
	id, err := cassandra.ParseMessageID(text)
	require.NoError(t, err)
	return id
}

// P1: a host whose clock is years ahead, or behind, proves nothing and notes no
// change of the replication. One whose clock is right notes it, by the clock of
// a node, and proves nothing until the replication has rested.
func TestP1ClocksApartProveNothing(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	storetest.Plant{Age: time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(tables, store, "demo")
	tables.Exec("INSERT INTO KS.settings (id, replication, replication_since) VALUES ('popcask', 'another', 5) USING TIMESTAMP 5")
	noted := func() (text string, since int64) {
		require.NoError(t, tables.CQL.Query(tables.In("SELECT replication, replication_since FROM KS.settings WHERE id = 'popcask'")).Scan(&text, &since))
		return text, since
	}
	for _, years := range []int{-5, 5} {
		wrong := config
		wrong.Now = func() time.Time { return time.Now().AddDate(years, 0, 0) }
		err := storetest.NewStore(t, wrong).Prove(t.Context(), "demo")
		require.ErrorContains(t, err, "apart: nothing is proven until they agree")
		text, _ := noted()
		require.Equal(t, "another", text)
	}
	require.ErrorContains(t, store.Prove(t.Context(), "demo"), "ReplicationRest")
	text, since := noted()
	require.NotEqual(t, "another", text)
	require.WithinDuration(t, time.Now(), time.UnixMicro(since), time.Minute)
	require.Zero(t, tables.Ledger(box)[bucketNow(t, store)].Until)
	config.ReplicationRest = time.Millisecond
	require.NoError(t, storetest.NewStore(t, config).Prove(t.Context(), "demo"))
	require.Equal(t, 1, tables.Ledger(box)[bucketNow(t, store)].Sealed)
}
