package cassandratest_test

import (
	"net"
	"testing"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
)

// A node that moves is the same member of the cluster with the same data, at
// another address; then all move at once.
func TestNodesMoveToOtherAddresses(t *testing.T) {
	slow.Test(t, "two nodes, which move twice")
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 2}},
		Settings: map[string]any{"phi_convict_threshold": 5},
		Private:  true,
	})
	keyspace := cluster.Keyspace(t)
	session := cluster.Session(t, "")
	require.NoError(t, session.Query("CREATE TABLE "+keyspace+".t (id int PRIMARY KEY)").Exec())
	require.NoError(t, session.Query("INSERT INTO "+keyspace+".t (id) VALUES (1)").Consistency(gocql.All).Exec())
	session.Close()
	hostID := func(at cassandratest.Node) (id gocql.UUID) {
		config := gocql.NewCluster(at.Address)
		config.Port, config.DisableInitialHostLookup = at.Port, true
		session, err := config.CreateSession()
		require.NoError(t, err)
		defer session.Close()
		require.NoError(t, session.Query("SELECT host_id FROM system.local").Scan(&id))
		return id
	}

	for _, who := range []string{"dc1-2", ""} {
		old := append([]cassandratest.Node(nil), cluster.Nodes...)
		ids := []gocql.UUID{hostID(old[0]), hostID(old[1])}
		require.NoError(t, cluster.Move(t.Context(), who))
		require.NoError(t, cluster.Settle(t.Context()))
		for i, now := range cluster.Nodes {
			require.Equal(t, old[i].Name, now.Name)
			require.Equal(t, ids[i], hostID(now))
			moved := who == "" || now.Name == who
			require.Equal(t, moved, old[i].Address != now.Address)
			if moved {
				conn, err := net.Dial("tcp", old[i].Addr())
				if err == nil {
					conn.Close()
				}
				require.Error(t, err, "nobody listens at the old address")
			}
		}
		session := cluster.Session(t, "")
		var id int
		require.NoError(t, session.Query("SELECT id FROM "+keyspace+".t WHERE id = 1").Consistency(gocql.All).Scan(&id))
	}
	require.ErrorContains(t, cluster.Move(t.Context(), "dc9"), `no node and no data centre is called "dc9"`)
	shared := cassandratest.Start(t, cassandratest.Topology{})
	require.ErrorContains(t, shared.Move(t.Context(), ""), "set Topology.Private")
}
