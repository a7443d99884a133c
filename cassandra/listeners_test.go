package cassandra_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// Listeners that fail, hang or panic are in nobody's way.
func TestP1ListenersAreNeverInTheWay(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var mu sync.Mutex
	var told []error
	config.OnError = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err)
	}
	hears := func(text string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return strings.Contains(errors.Join(told...).Error(), text)
		}
	}
	session := storetest.Connect(t, config)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)

	var heard []mailbox.Event
	store.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { return errFault }))
	store.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { panic("a panic of the test") }))
	released := make(chan struct{})
	store.Listen(mailbox.ListenerFunc(func(ctx context.Context, _ mailbox.Event) error {
		select {
		case <-ctx.Done():
		case <-released:
		}
		return ctx.Err()
	}))
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, event)
		return nil
	}))

	const user, messages = "anna@example.org", 20
	var bodies []string
	start := time.Now()
	for i := range messages {
		bodies = append(bodies, storetest.Body(i))
		storetest.Deliver(t, store, user, bodies[i])
	}
	storetest.Holds(t, store, user, bodies...)
	mb := storetest.Open(t, store, user)
	listed, err := storetest.TryList(t.Context(), mb)
	require.NoError(t, err)
	require.NoError(t, mb.Delete(t.Context(), []string{listed[0].ID, listed[1].ID}))
	storetest.Holds(t, store, user, bodies[2:]...)
	require.Less(t, time.Since(start), 9*time.Second, "nobody waited for a listener, which has 10 s for each event")

	storetest.Eventually(t, "the one that works heard everything", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(heard) == messages+1
	})
	require.Equal(t, mailbox.Removed, heard[messages].Kind)
	require.Len(t, heard[messages].Messages, 2)
	storetest.Eventually(t, "the failure is told", hears(errFault.Error()))
	storetest.Eventually(t, "the panic is told", hears("a panic of the test"))

	// Close is bounded by its context, whoever hangs.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start = time.Now()
	require.ErrorIs(t, store.Close(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 5*time.Second)
	close(released)
	storetest.CloseStore(t, store)
}
