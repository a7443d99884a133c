package clustertests

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
)

// What is wrong is said in the same words whichever node answers: with one node
// in each data centre, none of them lists all.
func TestErrorsNameDataCentres(t *testing.T) {
	slow.Test(t, "two nodes")
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{DCs: []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}}})
	host1, both := cluster.Hosts("dc1")[0], cluster.Hosts("")
	config := cassandra.Config{Hosts: both, LocalDC: "dc1", Keyspace: cluster.KeyspaceName(t), Timeout: 10 * time.Second}
	fails := func(change func(*cassandra.Config), want string, args ...any) {
		t.Helper()
		c := config
		change(&c)
		for range 10 {
			_, err := cassandra.Connect(t.Context(), c)
			require.EqualError(t, err, "cassandra: connect: "+fmt.Sprintf(want, args...))
		}
	}
	fails(func(*cassandra.Config) {}, "keyspace %q: the keyspace does not exist: create it with cassandra.Migrate", config.Keyspace)
	fails(func(c *cassandra.Config) { c.LocalDC = "dc3" }, `the cluster has no data centre "dc3": it has dc1, dc2`)
	fails(func(c *cassandra.Config) { c.Hosts = []string{host1}; c.LocalDC = "dc3" }, `the cluster has no data centre "dc3": it has dc1, dc2`)
	fails(func(c *cassandra.Config) { c.Hosts = []string{host1}; c.LocalDC = "dc2" },
		`no node of data centre "dc2" answers at %s: %s is in dc1`, host1, host1)
	fails(func(c *cassandra.Config) { c.Hosts = []string{host1, "127.0.0.1:1"}; c.LocalDC = "dc2" },
		`no node of data centre "dc2" answers at %s, 127.0.0.1:1: %s is in dc1`, host1, host1)

	refuses := func(replication cassandra.Replication, want string) {
		t.Helper()
		for range 10 {
			err := cassandra.Migrate(t.Context(), config, replication)
			require.EqualError(t, err, "cassandra: migrate: replication "+replication.String()+": "+want)
		}
		var found int
		require.NoError(t, cluster.Session(t, "").Query("SELECT count(*) FROM system_schema.keyspaces WHERE keyspace_name = ?",
			strings.ToLower(config.Keyspace)).Scan(&found))
		require.Zero(t, found, "it was created")
	}
	refuses(cassandra.Replication{"dc1": 3, "dc2": 3}, "3 replicas wanted, dc1 has 1 node")
	refuses(cassandra.Replication{"dc1": 1, "dc2": 2}, "2 replicas wanted, dc2 has 1 node")
	refuses(cassandra.Replication{"dc1": 1, "dc3": 1}, `the cluster has no data centre "dc3": it has dc1, dc2`)
	require.NoError(t, cassandra.Migrate(t.Context(), config, cassandra.Replication{"dc1": 1, "dc2": 1}))
}
