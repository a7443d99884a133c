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

// provenByHand makes a keyspace, and returns a configuration for it with which
// nothing is sealed unless the test asks.
func provenByHand(t *testing.T) (*cassandratest.Cluster, cassandra.Config) {
	t.Helper()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1
	return cluster, config
}

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

// aLife is a horizon with which a host may deliver whatever its clock says.
const aLife = 100 * 365 * 24 * time.Hour

// deliverAt delivers messages at a time, a minute apart, and returns their IDs.
func deliverAt(t testing.TB, config cassandra.Config, user string, at time.Time, messages int) (ids []string) {
	t.Helper()
	clock := newClock(at)
	config.Now = clock.Now
	config.Horizon = aLife
	store := storetest.NewStore(t, config)
	for n := range messages {
		ids = append(ids, storetest.Deliver(t, store, user, storetest.Body(n)).ID)
		clock.advance(time.Minute)
	}
	return ids
}

// P7: a proof asks every replica, and waits until it reaches a good deal
// further than the last one. A later one leaves out what was removed since.
func TestP7TheNextProofWaits(t *testing.T) {
	t.Parallel()
	cluster, config := provenByHand(t)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	ids := deliverAt(t, config, "demo", time.Now().Add(-3*time.Hour), 5)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	first := sealOf(t, tables, box, ids[0])
	require.Equal(t, 5, first.Sealed)
	require.WithinDuration(t, time.Now().Add(-time.Hour), time.UnixMicro(first.Until), time.Minute)

	storetest.Remove(t, store, "demo", ids[:2])
	seen.Take()
	other := storetest.NewStore(t, config) // which remembers nothing
	for _, prover := range []*cassandra.Store{store, other} {
		seen.Take()
		require.NoError(t, prover.Prove(t.Context(), "demo"))
		for _, o := range seen.Take() {
			require.Equal(t, "LOCAL_QUORUM", o.Consistency, o.Statement)
		}
	}
	require.Equal(t, first, sealOf(t, tables, box, ids[0]))
	require.Equal(t, ids[2:], storetest.ListIDs(t, store, "demo"))

	config.Horizon = time.Minute
	later := storetest.NewStore(t, config)
	require.NoError(t, later.Prove(t.Context(), "demo"))
	second := sealOf(t, tables, box, ids[0])
	require.Equal(t, 3, second.Sealed)
	require.Greater(t, second.Until, first.Until)
	require.Equal(t, ids[2:], storetest.ListIDs(t, store, "demo"))
}

// sealOf returns the row of the bucket that a message is in.
func sealOf(t testing.TB, tables storetest.Tables, box cassandra.MailboxID, message string) storetest.Row {
	t.Helper()
	row, ok := tables.Ledger(box)[parseID(t, message).Bucket()]
	require.True(t, ok, "the bucket has a row")
	return row
}

// P7: an old message is never removed. What passes through after it is sealed
// all the same, in its own bucket and in the later ones, and a bucket whose
// time is over goes from the ledger when nothing is left in it.
func TestP7AnOldMessageStopsNoProof(t *testing.T) {
	t.Parallel()
	cluster, config := provenByHand(t)
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	now := time.Now()
	old := deliverAt(t, config, "demo", now.Add(-2*month), 20)
	between := deliverAt(t, config, "demo", now.Add(-month), 20)
	recent := deliverAt(t, config, "demo", now.Add(-2*time.Hour), 20)
	before := tables.Ledger(box)
	require.Len(t, before, 3)
	storetest.Remove(t, store, "demo", append(append(old[1:20:20], between...), recent...))
	require.NoError(t, store.Prove(t.Context(), "demo"))
	require.Equal(t, 1, sealOf(t, tables, box, old[0]).Sealed)
	require.Zero(t, sealOf(t, tables, box, recent[0]).Sealed)
	require.NotZero(t, sealOf(t, tables, box, recent[0]).Until)
	require.Len(t, tables.Ledger(box), 2, "the bucket in between is gone")
	require.Equal(t, old[:1], storetest.ListIDs(t, store, "demo"))
	require.Equal(t, old[:1], storetest.ListIDs(t, storetest.NewStore(t, config), "demo"))
}

// P7: a bucket is sealed up to its end while a message stays in it. When that
// one goes too, the row goes with the next look at the mailbox, whichever bucket
// the look is for. (In a mailbox in which mail stays for 14 days such rows were
// kept: 12 after five years.)
func TestP7AFinishedBucketGoesAfterItsLastMessage(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	old := deliverAt(t, config, "demo", time.Now().Add(-2*month), 3)
	storetest.Remove(t, store, "demo", old[1:])
	provable(t, store, "demo")
	require.Equal(t, 1, sealOf(t, tables, box, old[0]).Sealed)
	storetest.Remove(t, store, "demo", old[:1])
	recent := storetest.Deliver(t, store, "demo", storetest.Body(1)).ID
	storetest.Eventually(t, "the row goes", func() bool {
		require.NoError(t, store.ProveFor(t.Context(), "demo", 1e9, parseID(t, recent).Bucket()))
		_, ok := tables.Ledger(box)[parseID(t, old[0]).Bucket()]
		return !ok
	})
	require.Equal(t, []string{recent}, storetest.ListIDs(t, store, "demo"))
}

// P7: most of an old bucket is removed long after its time. Its tombstones are
// young, and no session reads them after a proof.
func TestP7AnOldBucketIsDrainedLate(t *testing.T) {
	t.Parallel()
	cluster, config := provenByHand(t)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	begin := time.UnixMicro(cassandra.BucketSlice(bucketNow(t, store)).From).Add(-2 * month)
	var ids []string
	for n := range 20 {
		id := idOf(begin.Add(time.Duration(n)*time.Hour), 0)
		storetest.Plant{Content: "whole", Member: "live", Listed: true, Bucket: true}.Write(tables, store, "demo", id)
		ids = append(ids, id.String())
	}
	storetest.Remove(t, store, "demo", ids[2:])
	require.NoError(t, store.Prove(t.Context(), "demo"))
	seen.Take()
	require.Equal(t, ids[:2], storetest.ListIDs(t, store, "demo"))
	for _, o := range seen.Take() {
		if strings.Contains(o.Statement, "FROM projection") {
			require.Contains(t, o.Statement, "message_id IN")
		}
	}
}
