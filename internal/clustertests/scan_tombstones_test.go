package clustertests

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A scan meets mailboxes with more tombstones than a node allows in one read
// (1,000 here for 100,000), among many without: it finds what is wrong in and
// around them, mends it, and fails nowhere. So do the list of the largest
// mailboxes and the rebuild of the index.
func TestScanOfTombstones(t *testing.T) {
	slow.Test(t, "thousands of messages, on a node that allows few tombstones")
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{Settings: map[string]any{
		"tombstone_warn_threshold": 500, "tombstone_failure_threshold": 1000,
	}})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1
	const quiet, busy = 60, 3
	fillWithTombstones(t, config, quiet, busy)
	store := storetest.NewStore(t, storetest.Later(config))
	want := plantInBusy(storetest.TablesOf(t, cluster, config), store, busy)

	found := map[cassandra.MessageID]cassandra.FindingKind{}
	p, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{Found: func(r cassandra.Report) {
		found[r.Findings[0].ID] = r.Findings[0].Kind
	}})
	require.NoError(t, err)
	require.Zero(t, p.Failed)
	require.Equal(t, want, found)
	require.Equal(t, quiet+busy*(10+1), p.Messages)

	repaired, err := store.RepairAll(t.Context(), cassandra.ScanOptions{RepairOptions: cassandra.RepairOptions{Orphans: cassandra.RestoreOrphans}})
	require.NoError(t, err)
	require.Equal(t, len(want), repaired.Mended)
	again, err := store.RepairAll(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	require.Zero(t, again.Findings)
	require.Zero(t, again.Failed)

	largest, err := store.Largest(t.Context(), busy)
	require.NoError(t, err)
	var users []string
	for _, usage := range largest {
		users = append(users, usage.User)
		require.Equal(t, 13, usage.Messages)
	}
	slices.Sort(users)
	require.Equal(t, []string{"busy0", "busy1", "busy2"}, users)
	rebuilt, err := store.RebuildAll(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	require.Zero(t, rebuilt.Mended)
	require.Zero(t, rebuilt.Failed)
}

// fillWithTombstones delivers a message to each quiet user, and 1,200 to each
// busy one, of which 11 are left.
func fillWithTombstones(t *testing.T, config cassandra.Config, quiet, busy int) {
	store := storetest.NewStore(t, config)
	for n := range quiet {
		storetest.Deliver(t, store, fmt.Sprintf("user%d", n), storetest.Body(n))
	}
	delivery := mailbox.Delivery{}
	for n := range 300 * busy {
		delivery.Recipients = append(delivery.Recipients, mailbox.Recipient{User: fmt.Sprintf("busy%d", n%busy)})
	}
	for range 4 {
		results, err := store.Append(t.Context(), delivery, strings.NewReader(storetest.Body(1)))
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
		}
	}
	for n := range busy {
		user := fmt.Sprintf("busy%d", n)
		messages := storetest.List(t, store, user)
		require.Len(t, messages, 1200)
		storetest.Remove(t, store, user, storetest.IDs(messages[10:1199]))
	}
	storetest.CloseStore(t, store) // and all is purged
}

// plantInBusy marks a message of each busy user and plants others, and returns
// what is to be found.
func plantInBusy(tables storetest.Tables, store *cassandra.Store, busy int) map[cassandra.MessageID]cassandra.FindingKind {
	want := map[cassandra.MessageID]cassandra.FindingKind{}
	for n := range busy {
		user := fmt.Sprintf("busy%d", n)
		last := storetest.List(tables.T, store, user)[9].ID
		tables.Mark(store, user, last)
		id, err := cassandra.ParseMessageID(last)
		require.NoError(tables.T, err)
		want[id] = cassandra.NotRemoved
		id = storetest.Plant{Age: time.Minute, Content: "whole", Member: "live", Bucket: true}.Put(tables, store, user)
		want[id] = cassandra.NotListed
		id = storetest.Plant{Age: time.Minute, Content: "whole", Listed: true, Bucket: true}.Put(tables, store, user)
		want[id] = cassandra.NotMember
		id = storetest.Plant{Age: time.Minute, Content: "whole"}.Put(tables, store, user)
		want[id] = cassandra.Orphan
	}
	return want
}
