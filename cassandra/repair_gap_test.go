package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// A message that lies in a gap and that the mailbox has lost: it is listed after
// one repair, under the unique-id that it had (P5), and a second one finds nothing.
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
