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
	p := newPrivate(t)
	p.asOrdered()
	nodetool(t, p.cluster, p.keyspace)
	p.killed()
	p.replaced()
	p.backWithItsData()
	p.paused()
	p.shutDown()

	pids := nodePIDs(t, p.cluster.Dir)
	keeper := keeperPID(t, pids[0])
	require.NoError(t, p.cluster.Close())
	require.True(t, noneAlive(append(pids, keeper))(), "Close returns when all are gone")
	require.NoDirExists(t, p.cluster.Dir)
}

// private is two data centres, and a table in both.
type private struct {
	*testing.T
	cluster  *cassandratest.Cluster
	keyspace string
	one      *gocql.Session // in dc1
}

func newPrivate(t *testing.T) *private {
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}},
		Settings: map[string]any{"tombstone_failure_threshold": 4321, "phi_convict_threshold": 5},
		Private:  true,
	})
	p := &private{T: t, cluster: cluster, keyspace: cluster.Keyspace(t), one: cluster.Session(t, "dc1")}
	require.NoError(t, p.one.Query("CREATE TABLE "+p.keyspace+".t (id int PRIMARY KEY)").Exec())
	return p
}

func (p *private) write(id int, level gocql.Consistency) error {
	ctx, cancel := context.WithTimeout(p.Context(), 8*time.Second)
	defer cancel()
	return p.one.Query("INSERT INTO "+p.keyspace+".t (id) VALUES (?)", id).Consistency(level).WithContext(ctx).Exec()
}

func (p *private) asOrdered() {
	require.Len(p, p.cluster.Hosts(""), 2)
	require.Equal(p, []string{p.cluster.Nodes[1].Addr()}, p.cluster.Hosts("dc2"))
	require.NoError(p, p.write(1, gocql.EachQuorum))
	var value string
	require.NoError(p, p.one.Query("SELECT value FROM system_views.settings WHERE name = 'tombstone_failure_threshold'").Scan(&value))
	require.Equal(p, "4321", value)
}

// killed: gone at once, noticed by the other later.
func (p *private) killed() {
	pids := nodePIDs(p.T, p.cluster.Dir)
	require.NoError(p, p.cluster.Kill("dc2"))
	require.False(p, alive(pids[1]))
	require.NoError(p, p.write(2, gocql.LocalQuorum))
	require.NoError(p, p.cluster.Settle(p.Context()))
	var unavailable *gocql.RequestErrUnavailable
	require.ErrorAs(p, p.write(3, gocql.EachQuorum), &unavailable)
	require.ErrorContains(p, p.cluster.Kill("dc2"), "node dc2-1 is not running")
	require.ErrorContains(p, p.cluster.Boot(p.Context(), "dc1-1"), "is running already")
	require.ErrorContains(p, p.cluster.Kill("dc3"), `no node and no data centre is called "dc3"; there are dc1-1, dc2-1`)
}

// replaced: the disk is lost, and a new node has the data of the others.
func (p *private) replaced() {
	lost := filepath.Join(p.cluster.Dir, "nodes", "dc2-1", "data", "lost")
	require.NoError(p, os.WriteFile(lost, nil, 0o600))
	require.ErrorContains(p, p.cluster.Replace(p.Context(), "dc1-1"), "is running already")
	require.ErrorContains(p, p.cluster.Replace(p.Context(), ""), "one node at a time")
	require.NoError(p, p.cluster.Replace(p.Context(), "dc2-1"))
	require.NoError(p, p.cluster.Settle(p.Context()))
	require.NoFileExists(p, lost)
	var id int
	require.NoError(p, p.cluster.Session(p, "dc2").Query("SELECT id FROM "+p.keyspace+".t WHERE id = 2").Scan(&id))
	require.NoError(p, p.cluster.Shutdown("dc2-1"))
}

func (p *private) backWithItsData() {
	require.NoError(p, p.cluster.Boot(p.Context(), "dc2-1"))
	require.NoError(p, p.cluster.Settle(p.Context()))
	require.NoError(p, p.write(3, gocql.EachQuorum))
	var id int
	require.NoError(p, p.cluster.Session(p, "dc2").Query("SELECT id FROM "+p.keyspace+".t WHERE id = 1").Scan(&id))
}

// paused: still connected, says nothing.
func (p *private) paused() {
	require.NoError(p, p.cluster.Pause("dc2-1"))
	require.Error(p, p.write(4, gocql.EachQuorum))
	require.NoError(p, p.cluster.Resume("dc2-1"))
	require.NoError(p, p.cluster.Settle(p.Context()))
	require.NoError(p, p.write(5, gocql.EachQuorum))
}

// shutDown shuts one down while it is paused; the other restarts alone.
func (p *private) shutDown() {
	require.NoError(p, p.cluster.Pause("dc2-1"))
	require.NoError(p, p.cluster.Shutdown("dc2-1"))
	require.NoError(p, p.cluster.Restart(p.Context(), "dc1-1"))
	p.one = p.cluster.Session(p, "dc1")
	require.NoError(p, p.write(6, gocql.LocalQuorum))
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
