package cassandra_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P4: the context of a QUIT ends at each statement in turn. What QUIT says is
// gone is not listed; what it says has failed is wholly there or wholly gone;
// and after the repair in the background no message is in between.
func TestP4QuitCancelledAtEachStatement(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var hook statementHook
	config.Observer = hook.observe
	store := storetest.NewStore(t, config)
	for n := 1; quitCancelledAt(t, store, &hook, n); n++ {
	}
}

// quitCancelledAt cancels a QUIT when its n-th statement is answered. It
// returns false if the QUIT has fewer statements.
func quitCancelledAt(t *testing.T, store *cassandra.Store, hook *statementHook, n int) (cancelled bool) {
	t.Helper()
	const user = "quitter@example.org"
	texts := make(map[string]string)
	var ids []string
	for i := range 3 {
		m := storetest.Deliver(t, store, user, storetest.Body(i))
		ids, texts[m.ID] = append(ids, m.ID), storetest.Body(i)
	}
	mb := storetest.Open(t, store, user)
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hook.at(n, cancel)
	err = mb.Delete(ctx, ids)
	hook.at(0, nil)
	cancelled = ctx.Err() != nil
	var failure *mailbox.DeleteError
	if err != nil && !errors.As(err, &failure) {
		require.ErrorIs(t, err, context.Canceled)
	}

	after := storetest.Open(t, store, user)
	listed, err := mailbox.List(t.Context(), after)
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
	if !cancelled {
		require.Empty(t, left)
		require.Greater(t, n, 2)
	}
	return cancelled
}

// P4: if the index fails, QUIT answers -ERR, and each message is wholly there.
// Then a repair in the background finishes what the mark began, at the latest
// after the next session has begun.
func TestP4QuitWithAnIndexThatFails(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	const manyTimes = 1 << 30
	for _, test := range []struct {
		name  string
		fails int32 // calls of Removed
	}{
		{"once", 1},
		{"twice", 2},
		{"until the next session", manyTimes},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, index := newFaultyStore(t, config)
			user := strings.ReplaceAll(test.name, " ", "-") + "@example.org"
			var bodies []string
			for i := range 5 {
				bodies = append(bodies, storetest.Body(i))
				storetest.Deliver(t, store, user, bodies[i])
			}
			var calls atomic.Int32
			index.hurt(nil, func(_ context.Context, goOn func() error) error {
				if calls.Add(1) <= test.fails {
					return errFault
				}
				return goOn()
			})
			err := deleteFirstTwo(t, store, user)
			if test.fails == 1 { // the store tries twice
				require.NoError(t, err)
				index.heal()
				storetest.Holds(t, store, user, bodies[2:]...)
				return
			}
			var failure *mailbox.DeleteError
			require.ErrorAs(t, err, &failure)
			require.ErrorIs(t, err, mailbox.ErrTemporary)
			require.Len(t, failure.Failed, 2)
			if test.fails == manyTimes {
				storetest.Holds(t, store, user, bodies...) // wholly there
				storetest.Eventually(t, "a first repair fails as well", func() bool { return calls.Load() >= 4 })
			}
			index.heal()
			storetest.Eventually(t, "a repair in the background finishes the removal", func() bool {
				storetest.Open(t, store, user) // the next session: it asks again for a repair that has failed
				return tables.Members(store, user, bucketNow(t, store)) == 3 && tables.Entries(store, user, bucketNow(t, store)) == 3
			})
			storetest.Holds(t, store, user, bodies[2:]...)
			storetest.Consistent(t, config, user)
		})
	}
}

// deleteFirstTwo removes the first two messages that a session lists.
func deleteFirstTwo(t *testing.T, store *cassandra.Store, user string) error {
	t.Helper()
	mb := storetest.Open(t, store, user)
	listed, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	return mb.Delete(t.Context(), []string{listed[0].ID, listed[1].ID})
}
