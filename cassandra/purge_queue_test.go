package cassandra_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// Config.PurgeQueue counts messages: as many may wait when each was removed by a
// session of its own as when one session removed them all. The session behind
// them waits.
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
	_, err := storetest.TryList(t.Context(), mb)
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
	require.NoError(t, <-remove(ids[13]), "who comes behind them purges by itself")
	close(goOn)
	storetest.CloseStore(t, store)
	require.Empty(t, storetest.List(t, storetest.NewStore(t, config), user))
}
