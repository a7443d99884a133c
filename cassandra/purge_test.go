package cassandra_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// Config.PurgeQueue counts messages: it does not matter whether one session
// removed them all, or many sessions one each. A session that finds the queue
// full waits.
func TestPurgeQueueCountsMessages(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.PurgeQueue, config.PurgeWorkers = 12, 1
	var held atomic.Bool
	purging, goOn := make(chan struct{}), make(chan struct{})
	config.Observer = func(o cassandra.Observation) {
		if strings.HasPrefix(o.Statement, "DELETE FROM message ") && held.CompareAndSwap(false, true) {
			close(purging)
			<-goOn
		}
	}
	store := storetest.NewStore(t, config)
	const user = "many@example.org"
	var ids []string
	for i := range 14 {
		ids = append(ids, storetest.Deliver(t, store, user, storetest.Body(i)).ID)
	}
	mb := storetest.Open(t, store, user)
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	remove := func(id string) <-chan error {
		done := make(chan error, 1)
		go func() { done <- mb.Delete(t.Context(), []string{id}) }()
		return done
	}
	require.NoError(t, <-remove(ids[0]))
	<-purging // the worker is at the first one, and the queue empty
	for i, id := range ids[1:13] {
		select {
		case err := <-remove(id):
			require.NoError(t, err)
		case <-time.After(time.Minute):
			close(goOn)
			t.Fatalf("%d messages wait, and the queue is said to be full", i)
		}
	}
	require.NoError(t, <-remove(ids[13]), "the queue is full: the session purges by itself")
	close(goOn)
	storetest.CloseStore(t, store)
	require.Empty(t, storetest.List(t, storetest.NewStore(t, config), user))
}

// P3: if the queue of purges is full, QUIT waits and succeeds. Close empties
// the queue.
func TestP3CloseDrainsTheQueueOfPurges(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.PurgeQueue, config.PurgeWorkers = 1, 1
	tables := storetest.TablesOf(t, cluster, config)
	session := storetest.Connect(t, config)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	var mu sync.Mutex
	heard := 0
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		mu.Lock()
		defer mu.Unlock()
		heard += len(event.Messages)
		return nil
	}))

	const users, each = 4, 350
	var group sync.WaitGroup
	for u := range users {
		group.Go(func() {
			for i := range each {
				_, err := storetest.TryDeliver(t.Context(), store, fmt.Sprintf("u%d@example.org", u), storetest.Body(i))
				assert.NoError(t, err)
			}
		})
	}
	group.Wait()
	for u := range users {
		group.Go(func() {
			mb, err := store.Open(t.Context(), mailbox.Login{User: fmt.Sprintf("u%d@example.org", u)})
			assert.NoError(t, err)
			listed, err := mailbox.List(t.Context(), mb)
			assert.NoError(t, err)
			ids := make([]string, len(listed))
			for i, m := range listed {
				ids[i] = m.ID
			}
			assert.Len(t, ids, each)
			assert.NoError(t, mb.Delete(t.Context(), ids[1:]))
		})
	}
	group.Wait()
	storetest.CloseStore(t, store)
	require.Equal(t, users, tables.Contents(), "the content of what was removed is purged when Close returns")
	require.Equal(t, users*each+users*(each-1), heard, "the listeners heard of everything when Close returns")
	again := storetest.NewStore(t, config)
	for u := range users {
		user := fmt.Sprintf("u%d@example.org", u)
		storetest.Holds(t, again, user, storetest.Body(0))
		require.Equal(t, 1, tables.Members(again, user, bucketNow(t, again)))
	}
	_, err = storetest.TryDeliver(t.Context(), store, "u0@example.org", storetest.Body(0))
	require.ErrorIs(t, err, mailbox.ErrClosed)
}
