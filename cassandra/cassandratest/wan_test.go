package cassandratest_test

import (
	"context"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
)

// Two data centres of a node each, with a WAN between them: all in one go,
// because a start takes seconds.
func TestDataCentresWithAWANBetweenThem(t *testing.T) {
	slow.Test(t, "two nodes, and links that are cut")
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}},
		Settings: map[string]any{"phi_convict_threshold": 5},
		Private:  true,
		WAN:      true,
	})
	ctx := t.Context()
	link := cluster.Link("dc1", "dc2")
	keyspace := cluster.Keyspace(t)
	sessions := map[string]*gocql.Session{"dc1": cluster.Session(t, "dc1"), "dc2": cluster.Session(t, "dc2")}
	require.NoError(t, sessions["dc1"].Query("CREATE TABLE "+keyspace+".t (id int PRIMARY KEY)").Exec())
	write := func(dc string, id int, level gocql.Consistency) error {
		ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
		defer cancel()
		return sessions[dc].Query("INSERT INTO "+keyspace+".t (id) VALUES (?)", id).Consistency(level).WithContext(ctx).Exec()
	}
	median := func(level gocql.Consistency, writes int) time.Duration {
		var took []time.Duration
		for i := range writes {
			began := time.Now()
			require.NoError(t, write("dc1", i, level))
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}

	// The link has no delay at first; then its delay is felt by those only who
	// wait for the other data centre.
	median(gocql.LocalQuorum, 50) // warm
	near, everywhere := median(gocql.LocalQuorum, 50), median(gocql.EachQuorum, 20)
	t.Logf("no delay:          LOCAL_QUORUM %s, EACH_QUORUM %s", near, everywhere)
	require.NoError(t, link.SetDelay(25*time.Millisecond))
	nearWAN, everywhereWAN := median(gocql.LocalQuorum, 50), median(gocql.EachQuorum, 20)
	t.Logf("50 ms, round trip: LOCAL_QUORUM %s, EACH_QUORUM %s", nearWAN, everywhereWAN)
	require.Less(t, nearWAN, near+25*time.Millisecond)
	require.GreaterOrEqual(t, everywhereWAN, 50*time.Millisecond)
	there, back, err := link.Traffic()
	require.NoError(t, err)
	require.NotZero(t, there.Octets)
	require.NotZero(t, back.Packets)

	commandsRunInADataCentre(t, cluster)

	// Cut, one way: what dc1 asks for arrives, and the answer does not.
	require.NoError(t, link.CutFrom("dc2"))
	require.Error(t, write("dc1", 100, gocql.EachQuorum))
	require.NoError(t, write("dc1", 101, gocql.LocalQuorum))
	require.NoError(t, link.Heal())
	healed := func() bool {
		return write("dc1", 102, gocql.EachQuorum) == nil && write("dc2", 102, gocql.EachQuorum) == nil
	}
	eventually(t, healed, "TCP takes up again")

	// Cut: time-outs first, then both know.
	require.NoError(t, link.Cut())
	require.Error(t, write("dc1", 103, gocql.EachQuorum))
	for dc := range sessions {
		require.NoError(t, write(dc, 104, gocql.LocalQuorum), dc)
	}
	began := time.Now()
	require.NoError(t, cluster.Settle(ctx))
	t.Logf("each takes the other for dead after %s", time.Since(began))
	var unavailable *gocql.RequestErrUnavailable
	for dc := range sessions {
		require.ErrorAs(t, write(dc, 105, gocql.EachQuorum), &unavailable, dc)
		require.NoError(t, write(dc, 106, gocql.LocalQuorum), dc)
	}
	require.NoError(t, link.Heal())
	began = time.Now()
	require.NoError(t, cluster.Settle(ctx))
	t.Logf("and for alive %s after the cut was healed", time.Since(began))
	eventually(t, healed, "TCP takes up again")

	for _, err := range []error{
		cluster.Link("dc1", "dc3").Cut(), cluster.Link("dc1", "dc1").Heal(), link.CutFrom("dc3"),
		link.SetDelay(-1), link.SetRate(-1), link.SetLoss(1.1, 0),
	} {
		require.ErrorContains(t, err, "cassandratest: ")
	}

	pids := nodePIDs(t, cluster.Dir)
	keeper, err := os.FindProcess(keeperPID(t, pids[0]))
	require.NoError(t, err)
	require.NoError(t, keeper.Kill())
	eventually(t, noneAlive(pids), "no nodes without a keeper")
	require.Error(t, link.Heal())
	keeper.Wait()
}

func commandsRunInADataCentre(t *testing.T, cluster *cassandratest.Cluster) {
	node := cluster.Nodes[1]
	out, err := cluster.NodeTool(t.Context(), node.Name, "status")
	require.NoError(t, err)
	require.Contains(t, out, "UN  "+node.Address)
	cmd, err := cluster.Command(t.Context(), "dc2", "ip", "-o", "-4", "address")
	require.NoError(t, err)
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, string(text))
	require.Contains(t, string(text), node.Address)
	require.NotContains(t, string(text), cluster.Nodes[0].Address)
	_, err = cluster.Command(t.Context(), "dc3", "true")
	require.ErrorContains(t, err, `"dc3"`)
}

func TestWithoutRightsThereIsNoWAN(t *testing.T) {
	shared := cassandratest.Start(t, cassandratest.Topology{})
	require.ErrorContains(t, shared.Link("dc1", "dc2").Cut(), "set Topology.WAN")
	_, err := shared.Command(t.Context(), "dc1", "true")
	require.ErrorContains(t, err, "set Topology.WAN")
	wan := cassandratest.Topology{WAN: true}
	_, r := watch(t, wan)
	require.Contains(t, r.failed, "needs Topology.Private")

	wan.Private = true
	root := runtime.GOOS == "linux" && os.Getuid() == 0
	t.Setenv("PATH", t.TempDir())
	for required, message := range map[string]func(*recorder) string{
		"":  func(r *recorder) string { return r.skipped },
		"1": func(r *recorder) string { return r.failed + r.skipped },
	} {
		t.Setenv("POPCASK_REQUIRE_CASSANDRA", required)
		_, r := watch(t, wan)
		require.Contains(t, message(r), "no WAN here: it needs ")
		require.NotContains(t, message(r), "\n", "one line")
		require.Equal(t, root && required == "1", r.failed != "", "only what can be had is required")
	}
}
