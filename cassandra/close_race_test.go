package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// Close in the middle of deliveries, listings, retrievals and removals, with time
// to wait or without: what was acknowledged is there, what was removed is not, and
// what comes too late hears that the store is closed.
func TestP1P3CloseInTheMiddle(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.PurgeQueue = 2
	for round, patient := range []bool{true, false, true, false} {
		store := storetest.NewStore(t, config)
		user := fmt.Sprintf("round-%d@example.org", round)
		var mu sync.Mutex
		var delivered, removed []string
		begun := make(chan struct{}, 100)
		var group sync.WaitGroup
		for worker := range 6 {
			group.Go(func() {
				for n := 0; ; n++ {
					text := storetest.Body(n)
					if worker == 0 {
						text = storetest.BigBody(uint64(n), 300<<10)
					}
					m, err := storetest.TryDeliver(t.Context(), store, user, text)
					if errors.Is(err, mailbox.ErrClosed) {
						return
					}
					if !assert.NoError(t, err) {
						return
					}
					mu.Lock()
					delivered = append(delivered, m.ID)
					mu.Unlock()
					select {
					case begun <- struct{}{}:
					default:
					}
					mb, err := store.Open(t.Context(), mailbox.Login{User: user})
					if err != nil {
						assert.ErrorIs(t, err, mailbox.ErrClosed)
						return
					}
					if _, err = storetest.TryList(t.Context(), mb); err == nil {
						var got string
						if got, err = storetest.Read(t.Context(), mb, m.ID); err == nil {
							assert.Equal(t, text, got)
						}
					}
					if err == nil && n%2 == 0 {
						if err = mb.Delete(t.Context(), []string{m.ID}); err == nil {
							mu.Lock()
							removed = append(removed, m.ID)
							mu.Unlock()
						}
					}
					if err != nil {
						assert.ErrorIs(t, err, mailbox.ErrClosed)
					}
				}
			})
		}
		for range 30 {
			<-begun
		}
		if patient {
			storetest.CloseStore(t, store)
		} else {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := store.Close(ctx); err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
		}
		group.Wait()

		later := storetest.NewStore(t, config)
		require.NotEmpty(t, removed)
		var want []string
		for _, id := range delivered {
			if !slices.Contains(removed, id) {
				want = append(want, id)
			}
		}
		require.ElementsMatch(t, want, storetest.ListIDs(t, later, user))
		if !patient { // what was not purged is left to a repair
			report, err := later.Repair(t.Context(), user, cassandra.RepairOptions{})
			require.NoError(t, err)
			for _, f := range report.Findings {
				require.Equal(t, cassandra.NotRemoved, f.Kind)
			}
		}
		storetest.Consistent(t, config, user)
	}
}
