package clustertests

import (
	"errors"
	"fmt"
	"sync"
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
// from each other than an import takes, do not both show its unique-id.
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

	acknowledged := 0
	for round := range 5 {
		var mu sync.Mutex
		var group sync.WaitGroup
		for _, store := range stores {
			group.Go(func() {
				results, err := storetest.Import(t.Context(), store, fmt.Sprint("uid-", round), "bob")
				if err == nil {
					err = results[0].Err
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					acknowledged++
				} else if !errors.Is(err, mailbox.ErrTemporary) {
					t.Errorf("%v", err)
				}
			})
		}
		group.Wait()
	}
	for _, store := range stores {
		storetest.Eventually(t, "replicated", func() bool { return len(storetest.List(t, store, "bob")) == acknowledged })
		storetest.DistinctUIDLs(t, store, "bob")
	}

	// What cannot be known everywhere is refused for now; ordinary mail is not.
	require.NoError(t, cluster.Link("dc1", "dc2").Cut())
	results, err := storetest.Import(t.Context(), stores[0], "uid-6", "bob")
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, mailbox.ErrTemporary)
	storetest.Deliver(t, stores[0], "bob", storetest.Body(1))
}
