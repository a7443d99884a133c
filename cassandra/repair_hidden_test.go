package cassandra_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// putSealed plants a message that the seal of its bucket leaves out, with the
// fence of the proof that made the seal.
func putSealed(t testing.TB, tables storetest.Tables, store *cassandra.Store, user string, p storetest.Plant) cassandra.MessageID {
	t.Helper()
	p.Sealed, p.Bucket = true, true
	id := p.Put(tables, store, user)
	box, _, err := store.Mailbox(user)
	require.NoError(t, err)
	writeFence(tables, box, id.Time())
	return id
}

// P1, P5: the seal of a bucket leaves out a message whose membership is lost.
// After one repair it is listed under the unique-id that it had, and a second
// repair finds nothing.
func TestP1RepairOfALostMembershipThatIsSealedAway(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for user, p := range map[string]storetest.Plant{
		"plain@example.org":   {Age: 2 * time.Hour, Content: "whole", Listed: true},
		"foreign@example.org": {Age: 2 * time.Hour, Content: "chunked", Listed: true, UIDL: "foreign-3"},
	} {
		id := putSealed(t, tables, store, user, p)
		require.Empty(t, storetest.List(t, store, user))
		report, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		requireFinding(t, report, cassandra.NotMember, id, id.Bucket())
		require.Equal(t, 1, report.Mended())
		again, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		require.Empty(t, again.Findings)
		requireShown(t, store, user, id, p)
	}
}

// requireShown requires that a mailbox has one message: the planted one, under
// its ID and its unique-id.
func requireShown(t testing.TB, store *cassandra.Store, user string, id cassandra.MessageID, p storetest.Plant) {
	t.Helper()
	listed := storetest.List(t, store, user)
	require.Len(t, listed, 1)
	require.Equal(t, id.String(), listed[0].ID)
	want := p.UIDL
	if want == "" {
		want = id.String()
	}
	require.Equal(t, want, mailbox.UIDL(listed[0]))
	storetest.Holds(t, store, user, p.Body())
}

// P1, P5: a seal leaves out a message that is there, for example because a
// backup was restored. A repair shows it again, under its ID and its unique-id,
// and leaves the others as they are: also if the first repair was interrupted.
func TestP1RepairShowsWhatASealLeavesOut(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var broken atomic.Bool
	tampered := config
	tampered.Wrap = storetest.Tamper(func(c *storetest.Call) {
		c.Drop = broken.Load() && strings.HasPrefix(c.Statement, "INSERT INTO ledger") && strings.Contains(c.Statement, "opened")
	})
	store := storetest.NewStore(t, tampered)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	var ids, uidls []string
	for _, m := range []mailbox.Message{storetest.Deliver(t, store, "demo", storetest.Body(1)), storetest.Deliver(t, store, "demo", storetest.Body(2))} {
		ids, uidls = append(ids, m.ID), append(uidls, mailbox.UIDL(m))
	}
	hidden := parseID(t, ids[0])
	writeFence(tables, box, hidden.Time())
	tables.Seal(box, hidden.Bucket(), hidden.Timestamp(), func(id cassandra.MessageID) bool { return id != hidden })
	require.Equal(t, ids[1:], storetest.ListIDs(t, store, "demo"))
	require.Equal(t, ids[1:], storetest.ListIDs(t, storetest.NewStore(t, config), "demo"), "a process that knows nothing of the mailbox")

	for range 2 { // Verify changes nothing
		report, err := store.Verify(t.Context(), "demo")
		require.NoError(t, err)
		requireFinding(t, report, cassandra.Hidden, hidden, hidden.Bucket())
		require.Equal(t, 2, report.Messages)
	}
	broken.Store(true)
	report, err := store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Error(t, report.Findings[0].Err)
	require.Zero(t, report.Mended())
	require.Equal(t, ids[1:], storetest.ListIDs(t, store, "demo"))
	broken.Store(false)

	report, err = store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	requireFinding(t, report, cassandra.Hidden, hidden, hidden.Bucket())
	require.Equal(t, 1, report.Mended())
	messages := storetest.List(t, store, "demo")
	require.Equal(t, ids, storetest.IDs(messages))
	require.Equal(t, uidls, []string{mailbox.UIDL(messages[0]), mailbox.UIDL(messages[1])})
	text, err := storetest.Read(t.Context(), storetest.Open(t, store, "demo"), ids[0])
	require.NoError(t, err)
	require.Equal(t, storetest.Body(1), text)
	report, err = store.Verify(t.Context(), "demo")
	require.NoError(t, err)
	require.Empty(t, report.Findings)

	// The next seal has it, and it can be removed as any other.
	config.Horizon = 2 * time.Second
	prover := storetest.NewStore(t, config)
	provable(t, prover, "demo")
	require.Equal(t, 2, sealOf(t, tables, box, ids[0]).Sealed)
	require.Equal(t, ids, storetest.ListIDs(t, store, "demo"))
	storetest.Remove(t, store, "demo", ids[:1])
	require.Equal(t, ids[1:], storetest.ListIDs(t, store, "demo"))
}

// P1: a bucket has no row, and is so old that no delivery writes it. A repair
// finds what is in it by the memberships, and shows it again.
func TestP1RepairShowsWhatIsInABucketWithoutARow(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	p := storetest.Plant{Age: 40 * 24 * time.Hour, Content: "whole", Member: "live", Listed: true, UIDL: "foreign-4"}
	id := idOf(time.Now().Add(-p.Age), 0)
	for _, user := range []string{"anna", "bob"} { // a repair, and a scan
		p.Write(tables, store, user, id)
		box, _, err := store.Mailbox(user)
		require.NoError(t, err)
		writeFence(tables, box, time.Now().Add(-time.Hour))
		require.Empty(t, storetest.List(t, store, user))
		var report cassandra.Report
		if user == "anna" {
			report, err = store.Repair(t.Context(), user, cassandra.RepairOptions{})
		} else {
			_, err = store.RepairAll(t.Context(), cassandra.ScanOptions{Found: func(r cassandra.Report) { report = r }})
		}
		require.NoError(t, err)
		requireFinding(t, report, cassandra.Hidden, id, id.Bucket())
		require.Equal(t, 1, report.Mended())
		requireShown(t, store, user, id, p)
		again, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		require.Empty(t, again.Findings)
		id = idOf(time.Now().Add(-p.Age), 0) // content is of one mailbox only
	}
}

// P5: a message that a seal leaves out keeps its unique-id, although others
// have asked for it meanwhile. It shows it again after a repair, and nobody
// else does.
func TestP5AHiddenMessageKeepsItsUniqueID(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, unhurried(config))
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	first, err := importOne(t.Context(), store, "foreign", "demo")
	require.NoError(t, err)
	require.Equal(t, "foreign", first.UIDL)
	hidden := parseID(t, first.ID)
	writeFence(tables, box, hidden.Time())
	tables.Seal(box, hidden.Bucket(), hidden.Timestamp(), func(id cassandra.MessageID) bool { return id != hidden })
	require.Empty(t, storetest.List(t, store, "demo"))
	other, err := importOne(t.Context(), store, "foreign", "demo")
	require.NoError(t, err)
	require.Empty(t, other.UIDL)

	report, err := storetest.NewStore(t, config).Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	requireFinding(t, report, cassandra.Hidden, hidden, hidden.Bucket())
	require.True(t, report.Findings[0].Mended)
	require.Equal(t, map[string]string{first.ID: "foreign", other.ID: other.ID}, storetest.DistinctUIDLs(t, store, "demo"))
	require.Len(t, storetest.Readable(t, store, "demo"), 2)
}

// A scan finds the old mailbox of a user who was removed and created again. It
// mends that one, and the new mailbox does not get its mail.
func TestRepairOfAnOldGenerationIsForNobodyElse(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	before := storetest.NewStore(t, config)
	p := storetest.Plant{Age: 2 * time.Hour, Content: "whole", Member: "live", Listed: true}
	hidden := putSealed(t, tables, before, "demo", p)
	config.Generation = func(string) uint32 { return 1 }
	store := storetest.NewStore(t, config)
	var found []cassandra.Finding
	_, err := store.RepairAll(t.Context(), cassandra.ScanOptions{Found: func(r cassandra.Report) { found = append(found, r.Findings...) }})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, cassandra.Hidden, found[0].Kind)
	require.NoError(t, found[0].Err)
	require.Empty(t, storetest.List(t, store, "demo"))
	requireShown(t, before, "demo", hidden, p)
}
