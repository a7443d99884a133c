package clustertests

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P5: two data centres that import the same mail at the same moment, further
// from each other than an import takes, do not both show its unique-id. If both
// are refused for now, the one whose sender tries again shows it, and later ones
// go without.
func TestP5SameUIDLInTwoDataCentres(t *testing.T) {
	slow.Test(t, "two nodes with a WAN")
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs:     []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}},
		Private: true,
		WAN:     true,
	})
	config1 := storetest.Migrate(t, cluster)
	config2 := storetest.In(config1, cluster, "dc2")
	stores := []*cassandra.Store{storetest.NewStore(t, config1), storetest.NewStore(t, config2)}
	require.NoError(t, cluster.Link("dc1", "dc2").SetDelay(50*time.Millisecond))

	tryImport := func(store *cassandra.Store, uidl string) bool {
		results, err := storetest.Import(t.Context(), store, uidl, "bob")
		if err == nil {
			err = results[0].Err
		}
		if err != nil && !errors.Is(err, mailbox.ErrTemporary) {
			t.Errorf("%v", err)
		}
		return err == nil
	}
	var want []string
	var acknowledged atomic.Int64
	for round := range 5 {
		uidl := fmt.Sprint("uid-", round)
		want = append(want, uidl)
		before := acknowledged.Load()
		var group sync.WaitGroup
		for _, store := range stores {
			group.Go(func() {
				if tryImport(store, uidl) {
					acknowledged.Add(1)
				}
			})
		}
		group.Wait()
		if acknowledged.Load() == before {
			require.True(t, tryImport(stores[round%2], uidl), "neither shows it, so that a later one does")
			acknowledged.Add(1)
		}
		require.True(t, tryImport(stores[0], uidl), "it goes without")
		acknowledged.Add(1)
	}
	for _, store := range stores {
		storetest.Eventually(t, "replicated", func() bool { return len(storetest.List(t, store, "bob")) == int(acknowledged.Load()) })
		shown := storetest.DistinctUIDLs(t, store, "bob")
		require.Subset(t, slices.Collect(maps.Values(shown)), want)
	}

	// What cannot be known everywhere is refused for now; ordinary mail is not.
	require.NoError(t, cluster.Link("dc1", "dc2").Cut())
	require.False(t, tryImport(stores[0], "uid-6"))
	storetest.Deliver(t, stores[0], "bob", storetest.Body(1))
}
