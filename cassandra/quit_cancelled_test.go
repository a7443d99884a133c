package cassandra_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P4: a QUIT whose context ends at each statement in turn. What it says is gone
// is not listed; what it says has failed is wholly there or wholly gone; and when
// the repair behind the sessions is through nothing is in between.
func TestP4QuitCancelledAtEachStatement(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var mu sync.Mutex
	var atStatement func()
	config.Observer = func(cassandra.Observation) {
		mu.Lock()
		defer mu.Unlock()
		if atStatement != nil {
			atStatement()
		}
	}
	at := func(do func()) {
		mu.Lock()
		defer mu.Unlock()
		atStatement = do
	}
	const user = "quitter@example.org"
	store := storetest.NewStore(t, config)
	for n := 1; ; n++ {
		texts := make(map[string]string)
		var ids []string
		for i := range 3 {
			m := storetest.Deliver(t, store, user, storetest.Body(i))
			ids, texts[m.ID] = append(ids, m.ID), storetest.Body(i)
		}
		mb := storetest.Open(t, store, user)
		_, err := storetest.TryList(t.Context(), mb)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		seen := 0
		at(func() {
			if seen++; seen == n {
				cancel()
			}
		})
		err = mb.Delete(ctx, ids)
		at(nil)
		uncancelled := ctx.Err() == nil
		cancel()
		var failure *mailbox.DeleteError
		if err != nil && !errors.As(err, &failure) {
			require.ErrorIs(t, err, context.Canceled)
		}
		after := storetest.Open(t, store, user)
		listed, err := storetest.TryList(t.Context(), after)
		require.NoError(t, err)
		for _, m := range listed {
			require.NotNil(t, failure, "nothing had failed, and %s is listed", m.ID)
			require.Contains(t, failure.Failed, m.ID)
			text, err := storetest.Read(t.Context(), after, m.ID)
			if err == nil {
				require.Equal(t, texts[m.ID], text)
			} else { // the repair was faster
				require.ErrorIs(t, err, mailbox.ErrNotFound)
			}
		}
		storetest.Eventually(t, "nothing is in between", func() bool {
			report, err := store.Verify(t.Context(), user)
			return err == nil && len(report.Findings) == 0
		})
		left := storetest.List(t, store, user)
		require.NoError(t, storetest.Open(t, store, user).Delete(t.Context(), storetest.IDs(left)))
		if uncancelled {
			require.Empty(t, left)
			require.Greater(t, n, 2)
			return
		}
	}
}
