package cassandra_test

import (
	"context"
	"errors"
	"strings"
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

// A QUIT whose index fails is -ERR, and each message is wholly there; then the
// repair behind the sessions finishes what the mark began, at the latest after
// the next session has begun (P4).
func TestP4QuitWithAnIndexThatFails(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	for _, test := range []struct {
		name   string
		fails  int // calls of Removed
		failed bool
	}{
		{"once", 1, false},
		{"twice", 2, true},
		{"until the next session", 1 << 30, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, index := newFaultyStore(t, config)
			user := strings.ReplaceAll(test.name, " ", "-") + "@example.org"
			var bodies []string
			for i := range 5 {
				bodies = append(bodies, storetest.Body(i))
				storetest.Deliver(t, store, user, bodies[i])
			}
			mb := storetest.Open(t, store, user)
			listed, err := storetest.TryList(t.Context(), mb)
			require.NoError(t, err)
			var mu sync.Mutex
			calls := 0
			index.hurt(nil, func(_ context.Context, goOn func() error) error {
				mu.Lock()
				defer mu.Unlock()
				if calls++; calls <= test.fails {
					return errFault
				}
				return goOn()
			})
			err = mb.Delete(t.Context(), []string{listed[0].ID, listed[1].ID})
			if !test.failed {
				require.NoError(t, err)
				index.heal()
				storetest.Holds(t, store, user, bodies[2:]...)
				return
			}
			var failure *mailbox.DeleteError
			require.ErrorAs(t, err, &failure)
			require.ErrorIs(t, err, mailbox.ErrTemporary)
			require.Len(t, failure.Failed, 2)
			if test.fails > 2 {
				storetest.Holds(t, store, user, bodies...) // wholly there
				storetest.Eventually(t, "a first repair fails as well", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return calls >= 4
				})
			}
			index.heal()
			storetest.Eventually(t, "the repair behind the sessions finishes the removal", func() bool {
				storetest.Open(t, store, user) // the next session: it asks where the first repair has failed
				return tables.Members(store, user, bucketNow(t, store)) == 3 && tables.Entries(store, user, bucketNow(t, store)) == 3
			})
			storetest.Holds(t, store, user, bodies[2:]...)
			storetest.Consistent(t, config, user)
		})
	}
}
