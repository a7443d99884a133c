package clustertests

import (
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

// P7: far more tombstones than a node allows in one read (1,000 here for
// 100,000), and no seal that would spare them: the mailbox opens, shows what is
// in it, takes and gives up mail, and can be verified and repaired. A host that
// seals does so after the first listing, and then listings meet them no more.
func TestP7MoreTombstonesThanANodeAllows(t *testing.T) {
	slow.Test(t, "thousands of messages, on a node that allows few tombstones")
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{Settings: map[string]any{
		"tombstone_warn_threshold": 500, "tombstone_failure_threshold": 1000,
	}})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1
	store := storetest.NewStore(t, config)

	// One delivery with the same recipient many times is a quick way to much
	// mail.
	delivery := mailbox.Delivery{Recipients: slices.Repeat([]mailbox.Recipient{{User: "bob"}}, 700)}
	var all []string
	for range 2 {
		results, err := store.Append(t.Context(), delivery, strings.NewReader(storetest.Body(1)))
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
			all = append(all, r.ID)
		}
	}
	mb := storetest.Open(t, store, "bob")
	listed, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	require.Equal(t, all, storetest.IDs(listed))
	var kept, removed []string
	for i, id := range all {
		if i == 0 || i%600 == 7 || i == len(all)-1 {
			kept = append(kept, id)
		} else {
			removed = append(removed, id)
		}
	}
	require.NoError(t, mb.Delete(t.Context(), removed))
	require.Equal(t, kept, storetest.ListIDs(t, store, "bob"))
	kept = append(kept, storetest.Deliver(t, store, "bob", storetest.Body(2)).ID)
	storetest.CloseStore(t, store) // and all is purged

	store = storetest.NewStore(t, config)
	mb = storetest.Open(t, store, "bob")
	listed, err = mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	require.Equal(t, kept, storetest.IDs(listed))
	for _, m := range listed {
		_, err := storetest.Read(t.Context(), mb, m.ID)
		require.NoError(t, err)
	}
	report, err := store.Verify(t.Context(), "bob")
	require.NoError(t, err)
	require.Equal(t, len(kept), report.Messages)
	require.Empty(t, report.Findings)
	_, err = store.Repair(t.Context(), "bob", cassandra.RepairOptions{})
	require.NoError(t, err)

	sealing := config
	sealing.SealAfter, sealing.Horizon = 0, time.Second // the default, for mail that is not of this moment
	var seen storetest.Recorder
	sealing.Observer = seen.Observe
	sealer := storetest.NewStore(t, sealing)
	meets := func() bool {
		seen.Take()
		require.Equal(t, kept, storetest.ListIDs(t, sealer, "bob"))
		return slices.ContainsFunc(seen.Take(), func(o cassandra.Observation) bool { return o.Err != nil })
	}
	require.True(t, meets(), "too many tombstones")
	storetest.Eventually(t, "sealed, so that a listing does not meet them", func() bool { return !meets() })

	require.NoError(t, mb.Delete(t.Context(), kept))
	require.Empty(t, storetest.List(t, store, "bob"))
	require.Empty(t, storetest.List(t, sealer, "bob"))
}
