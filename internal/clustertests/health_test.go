package clustertests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A store that has lost its whole cluster reports that, and works again after
// the cluster is back.
func TestReadyAgainWhenTheClusterIsBack(t *testing.T) {
	slow.Test(t, "a node of its own, twice")
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true, Settings: storetest.Killable(nil)})
	config := storetest.Migrate(t, cluster)
	session := storetest.Connect(t, config)
	store := storetest.NewStore(t, config)
	require.NoError(t, session.Ready(t.Context()))
	before := storetest.Deliver(t, store, "demo", storetest.Body(1)).ID

	// What was written to a node in its last 100 ms is not in its commit log
	// yet, and no quorum survives here (P1).
	_, err := cluster.NodeTool(t.Context(), cluster.Nodes[0].Name, "flush", config.Keyspace)
	require.NoError(t, err)

	require.NoError(t, cluster.Kill(""))
	require.ErrorContains(t, session.Ready(t.Context()), "cassandra: not ready: ")
	_, err = storetest.TryDeliver(t.Context(), store, "demo", storetest.Body(2))
	require.ErrorIs(t, err, mailbox.ErrTemporary)

	require.NoError(t, cluster.Boot(t.Context(), ""))
	began := time.Now()
	storetest.Eventually(t, "the session to be ready again", func() bool { return session.Ready(t.Context()) == nil })
	t.Logf("ready %.1f s after the node", time.Since(began).Seconds())
	storetest.Eventually(t, "the store to deliver again", func() bool {
		_, err := storetest.TryDeliver(t.Context(), store, "demo", storetest.Body(3))
		return err == nil
	})
	messages := storetest.List(t, store, "demo")
	require.Equal(t, before, messages[0].ID)
	require.GreaterOrEqual(t, len(messages), 2)
}
