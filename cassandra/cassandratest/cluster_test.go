package cassandratest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

func TestSharedClusterServesEachTestAKeyspace(t *testing.T) {
	var first string
	t.Run("first", func(t *testing.T) {
		cluster := cassandratest.Start(t, cassandratest.Topology{})
		first = cluster.Keyspace(t)
		session := cluster.Session(t, cluster.DCs[0].Name)
		require.NoError(t, session.Query("CREATE TABLE "+first+".t (id int PRIMARY KEY, v text)").Exec())
		require.NoError(t, session.Query("INSERT INTO "+first+".t (id, v) VALUES (1, 'one')").Exec())
		var v string
		require.NoError(t, session.Query("SELECT v FROM "+first+".t WHERE id = 1").Scan(&v))
		require.Equal(t, "one", v)
	})
	t.Run("second/with another name, and a very long one, which CQL would not allow", func(t *testing.T) {
		cluster := cassandratest.Start(t, cassandratest.Topology{})
		second := cluster.Keyspace(t)
		require.NotEqual(t, first, second)
		var names []string
		keyspaces := cluster.Session(t, "").Query("SELECT keyspace_name FROM system_schema.keyspaces").Iter()
		for name := ""; keyspaces.Scan(&name); {
			names = append(names, name)
		}
		require.NoError(t, keyspaces.Close())
		require.Contains(t, names, second)
		require.NotContains(t, names, first, "dropped with its test")
	})
}

func TestSharedClusterIsNotHurt(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	for what, err := range map[string]error{
		"kill":     cluster.Kill(""),
		"pause":    cluster.Pause("dc1-1"),
		"shutdown": cluster.Shutdown("dc1"),
		"restart":  cluster.Restart(t.Context(), "dc1-1"),
	} {
		require.ErrorContains(t, err, "set Topology.Private", what)
	}
}

func TestExistingClusterIsUsed(t *testing.T) {
	ours := cassandratest.Start(t, cassandratest.Topology{})
	t.Setenv("POPCASK_CASSANDRA", strings.Join(ours.Hosts(""), ","))

	cluster := cassandratest.Start(t, cassandratest.Topology{DCs: []cassandratest.DC{{Name: "elsewhere", Nodes: 1}}})
	require.Equal(t, []cassandratest.DC{{Name: "dc1", Nodes: 1}}, cluster.DCs, "its own names")
	require.Equal(t, ours.Hosts(""), cluster.Hosts("dc1"))
	cluster.Keyspace(t)
	require.ErrorContains(t, cluster.Kill("dc1-1"), "set Topology.Private")
	_, err := cluster.NodeTool(t.Context(), "dc1-1", "status")
	require.ErrorContains(t, err, "not ours")

	three := cassandratest.Topology{DCs: []cassandratest.DC{{Name: "dc1", Nodes: 3}}}
	t.Setenv("POPCASK_REQUIRE_CASSANDRA", "")
	_, r := watch(t, three)
	require.Contains(t, r.skipped, "it has dc1:1, this test wants dc1:3")
	t.Setenv("POPCASK_REQUIRE_CASSANDRA", "1")
	_, r = watch(t, three)
	require.Contains(t, r.failed, "it has dc1:1, this test wants dc1:3")

	t.Setenv("POPCASK_CASSANDRA", "127.0.0.1:1")
	_, r = watch(t, three)
	require.Contains(t, r.failed, "POPCASK_CASSANDRA=127.0.0.1:1")
}

func TestWithoutCassandraTheTestIsSkipped(t *testing.T) {
	never := cassandratest.Topology{HeapMB: 999} // no other test has this one running
	t.Setenv("POPCASK_CASSANDRA", "")
	t.Setenv("JAVA_HOME", "")
	t.Setenv("PATH", t.TempDir())
	t.Setenv("POPCASK_REQUIRE_CASSANDRA", "")
	_, r := watch(t, never)
	require.Contains(t, r.skipped, "install Java 17 and Maven")
	require.NotContains(t, r.skipped, "\n", "one line")
	t.Setenv("POPCASK_REQUIRE_CASSANDRA", "1")
	_, r = watch(t, never)
	require.Contains(t, r.failed, "install Java 17 and Maven")
}

func TestNodeThatDoesNotStartShowsItsLog(t *testing.T) {
	cassandratest.NeedNodes(t)
	_, err := cassandratest.Open(t.Context(), cassandratest.Topology{Settings: map[string]any{"no_such_setting": 1}}, cassandratest.Options{})
	require.ErrorContains(t, err, "node dc1-1 did not start")
	require.ErrorContains(t, err, "Invalid yaml")
	require.ErrorContains(t, err, "no_such_setting")
}
