package cassandra_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A listener that has missed everything gets the messages that are listed, and
// no message that was removed.
func TestReplayToANewListener(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	store := storetest.NewStore(t, config)
	const messages, gone = 120, 17
	for i := range messages {
		storetest.Deliver(t, store, "anna", storetest.Body(i))
	}
	_, err := importOne(t.Context(), store, "its-own-name", "anna")
	require.NoError(t, err)
	storetest.Deliver(t, store, "ben", storetest.Body(1))
	mb := storetest.Open(t, store, "anna")
	require.NoError(t, mb.Delete(t.Context(), []string{storetest.List(t, store, "anna")[gone].ID}))

	var heard []mailbox.Message
	events := 0
	told, err := store.Replay(t.Context(), "Anna", mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		require.Equal(t, mailbox.Added, event.Kind)
		require.Equal(t, "anna", event.User)
		require.LessOrEqual(t, len(event.Messages), 100)
		heard = append(heard, event.Messages...)
		events++
		return nil
	}))
	require.NoError(t, err)
	require.Equal(t, messages, told)
	require.GreaterOrEqual(t, events, 2)
	require.Equal(t, storetest.List(t, store, "anna"), heard)

	full := errors.New("the search engine is full")
	told, err = store.Replay(t.Context(), "anna", mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { return full }))
	require.ErrorIs(t, err, full)
	require.ErrorContains(t, err, `cassandra: replay the mailbox of "anna": the search engine is full`)
	require.Zero(t, told)

	told, err = store.Replay(t.Context(), "nobody", mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { return full }))
	require.NoError(t, err)
	require.Zero(t, told)
	_, err = store.Replay(t.Context(), "", nil)
	require.Error(t, err)
	ended, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	_, err = store.Replay(ended, "anna", nil)
	require.Error(t, err)
}
