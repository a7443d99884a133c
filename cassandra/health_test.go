package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/mailbox"
)

// A store that has lost its whole cluster says so, and goes on by itself when it
// is back.
func TestReadyAgainWhenTheClusterIsBack(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true})
	config := migrated(t, cluster)
	session := connect(t, config)
	store := newStore(t, config)
	require.NoError(t, session.Ready(t.Context()))
	before := deliver(t, store, "demo", body(1)).ID

	// What a node got within its last 100 ms is not in its commit log yet: no
	// quorum survives here (P1).
	_, err := cluster.NodeTool(t.Context(), cluster.Nodes[0].Name, "flush", config.Keyspace)
	require.NoError(t, err)

	require.NoError(t, cluster.Kill(""))
	require.ErrorContains(t, session.Ready(t.Context()), "cassandra: not ready: ")
	_, err = tryDeliver(t.Context(), store, "demo", body(2))
	require.ErrorIs(t, err, mailbox.ErrTemporary)

	require.NoError(t, cluster.Boot(t.Context(), ""))
	began := time.Now()
	eventually(t, "the session to be ready again", func() bool { return session.Ready(t.Context()) == nil })
	t.Logf("ready %.1f s after the node", time.Since(began).Seconds())
	eventually(t, "the store to deliver again", func() bool {
		_, err := tryDeliver(t.Context(), store, "demo", body(3))
		return err == nil
	})
	messages := list(t, store, "demo")
	require.Equal(t, before, messages[0].ID)
	require.GreaterOrEqual(t, len(messages), 2)
}
