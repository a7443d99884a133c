package cassandratest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
)

// Two data centres of a node each: all that a test may do to them, in one go,
// because a start takes seconds.
func TestNodesOfAPrivateClusterAreKilledPausedAndRestarted(t *testing.T) {
	slow.Test(t, "two nodes, which are killed, paused and restarted")
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}},
		Settings: map[string]any{"tombstone_failure_threshold": 4321, "phi_convict_threshold": 5},
		Private:  true,
	})
	ctx := t.Context()
	require.Len(t, cluster.Hosts(""), 2)
	require.Equal(t, []string{cluster.Nodes[1].Addr()}, cluster.Hosts("dc2"))

	keyspace := cluster.Keyspace(t)
	one := cluster.Session(t, "dc1")
	require.NoError(t, one.Query("CREATE TABLE "+keyspace+".t (id int PRIMARY KEY)").Exec())
	write := func(id int, level gocql.Consistency) error {
		ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
		defer cancel()
		return one.Query("INSERT INTO "+keyspace+".t (id) VALUES (?)", id).Consistency(level).WithContext(ctx).Exec()
	}
	require.NoError(t, write(1, gocql.EachQuorum))

	var value string
	require.NoError(t, one.Query("SELECT value FROM system_views.settings WHERE name = 'tombstone_failure_threshold'").Scan(&value))
	require.Equal(t, "4321", value)

	nodetool(t, cluster, keyspace)

	// Killed: gone at once, noticed by the other later.
	pids := nodePIDs(t, cluster.Dir)
	require.NoError(t, cluster.Kill("dc2"))
	require.False(t, alive(pids[1]))
	require.NoError(t, write(2, gocql.LocalQuorum))
	require.NoError(t, cluster.Settle(ctx))
	var unavailable *gocql.RequestErrUnavailable
	require.ErrorAs(t, write(3, gocql.EachQuorum), &unavailable)
	require.ErrorContains(t, cluster.Kill("dc2"), "node dc2-1 is not running")
	require.ErrorContains(t, cluster.Boot(ctx, "dc1-1"), "is running already")
	require.ErrorContains(t, cluster.Kill("dc3"), `no node and no data centre is called "dc3"; there are dc1-1, dc2-1`)

	// Back again, with its data.
	require.NoError(t, cluster.Boot(ctx, "dc2-1"))
	require.NoError(t, cluster.Settle(ctx))
	require.NoError(t, write(3, gocql.EachQuorum))
	two := cluster.Session(t, "dc2")
	var id int
	require.NoError(t, two.Query("SELECT id FROM "+keyspace+".t WHERE id = 1").Scan(&id))

	// Paused: still connected, says nothing.
	require.NoError(t, cluster.Pause("dc2-1"))
	require.Error(t, write(4, gocql.EachQuorum))
	require.NoError(t, cluster.Resume("dc2-1"))
	require.NoError(t, cluster.Settle(ctx))
	require.NoError(t, write(5, gocql.EachQuorum))

	// Shut down while it is paused; the other restarts alone.
	require.NoError(t, cluster.Pause("dc2-1"))
	require.NoError(t, cluster.Shutdown("dc2-1"))
	require.NoError(t, cluster.Restart(ctx, "dc1-1"))
	one = cluster.Session(t, "dc1")
	require.NoError(t, write(6, gocql.LocalQuorum))

	pids = nodePIDs(t, cluster.Dir)
	keeper := keeperPID(t, pids[0])
	require.NoError(t, cluster.Close())
	require.True(t, noneAlive(append(pids, keeper))(), "Close returns when all are gone")
	require.NoDirExists(t, cluster.Dir)
}

func nodetool(t *testing.T, cluster *cassandratest.Cluster, keyspace string) {
	run := func(args ...string) string {
		out, err := cluster.NodeTool(t.Context(), "dc1-1", args...)
		require.NoError(t, err)
		return out
	}
	require.Contains(t, run("status"), "UN  "+cluster.Nodes[1].Address)
	run("flush", keyspace)
	tables, err := filepath.Glob(filepath.Join(cluster.Dir, "nodes", "dc1-1", "data", keyspace, "t-*", "*-Data.db"))
	require.NoError(t, err)
	require.NotEmpty(t, tables, "flushed")
	run("disablehandoff")
	require.Contains(t, run("statushandoff"), "not running")
	require.Contains(t, run("tablestats", keyspace+".t"), "SSTable count: 1")
	run("truncatehints")
	run("enablehandoff")
	run("repair", "--full", keyspace)

	_, err = cluster.NodeTool(t.Context(), "dc1-1", "flush", "no_such_keyspace")
	require.ErrorContains(t, err, "nodetool flush no_such_keyspace on dc1-1")
	require.ErrorContains(t, err, "does not exist")
	_, err = cluster.NodeTool(t.Context(), "dc1-2", "status")
	require.ErrorContains(t, err, `no node is called "dc1-2"`)
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Join(home, ".cassandra", "nodetool.history"), "a person's home is left alone")
}
