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

// P1, P5: a message is in a gap, and its membership is lost. After one repair
// it is listed under the unique-id that it had, and a second repair finds
// nothing.
func TestP1RepairOfALostMembershipInAGap(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for user, p := range map[string]storetest.Plant{
		"plain@example.org":   {Age: 2 * time.Hour, Content: "whole", Listed: true, Bucket: true, Gap: true},
		"foreign@example.org": {Age: 2 * time.Hour, Content: "chunked", Listed: true, Bucket: true, Gap: true, UIDL: "foreign-3"},
	} {
		id := p.Put(tables, store, user)
		report, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		requireFinding(t, report, cassandra.NotMember, id, store.Session().Bucket(id))
		require.Equal(t, 1, report.Mended())
		again, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		require.Empty(t, again.Findings)
		listed := storetest.List(t, store, user)
		require.Len(t, listed, 1)
		want := p.UIDL
		if want == "" {
			want = id.String()
		}
		require.Equal(t, want, listed[0].UIDL)
		storetest.Holds(t, store, user, p.Body())
	}
}

// P5: a message is in a gap, for example because a backup was restored. A
// repair delivers it again under a new ID and removes the old one: once, even
// if it is interrupted in between. It keeps its unique-id.
func TestP5RepairDeliversAgainWhatLiesInAGap(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var broken atomic.Bool // between the delivery and the removal of the old one
	tampered := config
	tampered.Wrap = storetest.Tamper(func(c *storetest.Call) {
		write := strings.HasPrefix(c.Statement, "UPDATE") || strings.HasPrefix(c.Statement, "DELETE")
		c.Drop = write && broken.Load()
	})
	store := storetest.NewStore(t, tampered)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	hidden, err := cassandra.ParseMessageID(storetest.Deliver(t, store, "demo", storetest.Body(1)).ID)
	require.NoError(t, err)
	uidl := mailbox.UIDL(storetest.List(t, store, "demo")[0])
	other := storetest.Deliver(t, store, "demo", storetest.Body(2)).ID
	tables.Exec("INSERT INTO KS.ledger (mailbox_id, kind, start, until) VALUES (?, 'gap', ?, ?) USING TIMESTAMP ?",
		[16]byte(id), hidden.Timestamp(), hidden.Timestamp(), hidden.Timestamp())
	require.Equal(t, []string{other}, storetest.ListIDs(t, store, "demo"))
	require.Equal(t, []string{other}, storetest.ListIDs(t, storetest.NewStore(t, config), "demo"), "a process that knows nothing of the mailbox")

	broken.Store(true)
	_, err = store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	broken.Store(false)

	// Another repair does not know whether the delivery is still under way, and
	// may fail (P1).
	report, err := store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.ErrorContains(t, report.Findings[0].Err, "not certain yet")
	require.Equal(t, 1, tables.Content(hidden))

	report, err = storetest.NewStore(t, storetest.Later(config)).Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Equal(t, cassandra.InGap, report.Findings[0].Kind)
	require.NoError(t, report.Findings[0].Err)
	messages := storetest.List(t, store, "demo")
	require.Len(t, messages, 2)
	require.Equal(t, other, messages[0].ID)
	text, err := storetest.Read(t.Context(), storetest.Open(t, store, "demo"), messages[1].ID)
	require.NoError(t, err)
	require.Equal(t, storetest.Body(1), text)
	require.Equal(t, uidl, mailbox.UIDL(messages[1]))

	report, err = store.Verify(t.Context(), "demo")
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}

// P1, P5: another message shows the unique-id of a message in a gap. That one
// is not taken for delivered again; it is delivered without the unique-id.
func TestP1AnotherMessageWithTheUniqueIDIsNotTheOneInTheGap(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	hidden := storetest.Plant{Age: 2 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true, UIDL: "foreign", Gap: true}
	hidden.Put(storetest.TablesOf(t, cluster, config), store, "demo")
	other, err := importOne(t.Context(), store, "foreign", "demo")
	require.NoError(t, err)
	require.Equal(t, "foreign", other.UIDL)

	report, err := store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Equal(t, cassandra.InGap, report.Findings[0].Kind)
	require.True(t, report.Findings[0].Mended)
	found := storetest.Readable(t, store, "demo")
	require.Len(t, found, 2)
	require.Equal(t, storetest.Body(1), found[other.ID])
	delete(found, other.ID)
	for _, text := range found {
		require.Equal(t, hidden.Body(), text)
	}
	storetest.DistinctUIDLs(t, store, "demo")
}

// A scan finds the old mailbox of a user who was removed and created again. The
// new mailbox does not get its mail.
func TestRepairDeliversAgainToNobodyElse(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	hidden := storetest.Plant{Age: 2 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true, Gap: true}.Put(tables, storetest.NewStore(t, config), "demo")
	config.Generation = func(string) uint32 { return 1 }
	store := storetest.NewStore(t, config)
	var found []cassandra.Finding
	_, err := store.RepairAll(t.Context(), cassandra.ScanOptions{Found: func(r cassandra.Report) { found = append(found, r.Findings...) }})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, cassandra.InGap, found[0].Kind)
	require.Error(t, found[0].Err)
	require.Empty(t, storetest.List(t, store, "demo"))
	require.Equal(t, 1, tables.Content(hidden))
}
