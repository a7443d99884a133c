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
	w := newWANCluster(t)
	w.delay()
	commandsRunInADataCentre(t, w.cluster)
	w.cutOneWay()
	w.cut()
	w.badOrders()

	pids := nodePIDs(t, w.cluster.Dir)
	keeper, err := os.FindProcess(keeperPID(t, pids[0]))
	require.NoError(t, err)
	require.NoError(t, keeper.Kill())
	eventually(t, noneAlive(pids), "no nodes without a keeper")
	require.Error(t, w.link.Heal())
	keeper.Wait()
}

// wanCluster is two data centres with a table, and the link between them.
type wanCluster struct {
	*testing.T
	cluster  *cassandratest.Cluster
	link     *cassandratest.Link
	keyspace string
	sessions map[string]*gocql.Session // by data centre
}

func newWANCluster(t *testing.T) *wanCluster {
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}},
		Settings: map[string]any{"phi_convict_threshold": 5},
		Private:  true,
		WAN:      true,
	})
	w := &wanCluster{T: t, cluster: cluster, link: cluster.Link("dc1", "dc2"), keyspace: cluster.Keyspace(t)}
	w.sessions = map[string]*gocql.Session{"dc1": cluster.Session(t, "dc1"), "dc2": cluster.Session(t, "dc2")}
	require.NoError(t, w.sessions["dc1"].Query("CREATE TABLE "+w.keyspace+".t (id int PRIMARY KEY)").Exec())
	return w
}

func (w *wanCluster) write(dc string, id int, level gocql.Consistency) error {
	ctx, cancel := context.WithTimeout(w.Context(), 8*time.Second)
	defer cancel()
	return w.sessions[dc].Query("INSERT INTO "+w.keyspace+".t (id) VALUES (?)", id).Consistency(level).WithContext(ctx).Exec()
}

// median is that of the times that some writes take.
func (w *wanCluster) median(level gocql.Consistency, writes int) time.Duration {
	var took []time.Duration
	for i := range writes {
		began := time.Now()
		require.NoError(w, w.write("dc1", i, level))
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// delay: the link has no delay at first; then only those feel it that wait for
// the other data centre.
func (w *wanCluster) delay() {
	w.median(gocql.LocalQuorum, 50) // warm
	near, everywhere := w.median(gocql.LocalQuorum, 50), w.median(gocql.EachQuorum, 20)
	w.Logf("no delay:          LOCAL_QUORUM %s, EACH_QUORUM %s", near, everywhere)
	require.NoError(w, w.link.SetDelay(25*time.Millisecond))
	nearWAN, everywhereWAN := w.median(gocql.LocalQuorum, 50), w.median(gocql.EachQuorum, 20)
	w.Logf("50 ms, round trip: LOCAL_QUORUM %s, EACH_QUORUM %s", nearWAN, everywhereWAN)
	require.Less(w, nearWAN, near+25*time.Millisecond)
	require.GreaterOrEqual(w, everywhereWAN, 50*time.Millisecond)
	there, back, err := w.link.Traffic()
	require.NoError(w, err)
	require.NotZero(w, there.Octets)
	require.NotZero(w, back.Packets)
}

// healed waits until TCP takes up again after a cut.
func (w *wanCluster) healed() {
	eventually(w.T, func() bool {
		return w.write("dc1", 102, gocql.EachQuorum) == nil && w.write("dc2", 102, gocql.EachQuorum) == nil
	}, "TCP takes up again")
}

// cutOneWay: what dc1 asks for arrives, and the answer does not.
func (w *wanCluster) cutOneWay() {
	require.NoError(w, w.link.CutFrom("dc2"))
	require.Error(w, w.write("dc1", 100, gocql.EachQuorum))
	require.NoError(w, w.write("dc1", 101, gocql.LocalQuorum))
	require.NoError(w, w.link.Heal())
	w.healed()
}

// cut: time-outs first, then both know.
func (w *wanCluster) cut() {
	require.NoError(w, w.link.Cut())
	require.Error(w, w.write("dc1", 103, gocql.EachQuorum))
	for dc := range w.sessions {
		require.NoError(w, w.write(dc, 104, gocql.LocalQuorum), dc)
	}
	began := time.Now()
	require.NoError(w, w.cluster.Settle(w.Context()))
	w.Logf("each takes the other for dead after %s", time.Since(began))
	var unavailable *gocql.RequestErrUnavailable
	for dc := range w.sessions {
		require.ErrorAs(w, w.write(dc, 105, gocql.EachQuorum), &unavailable, dc)
		require.NoError(w, w.write(dc, 106, gocql.LocalQuorum), dc)
	}
	require.NoError(w, w.link.Heal())
	began = time.Now()
	require.NoError(w, w.cluster.Settle(w.Context()))
	w.Logf("and for alive %s after the cut was healed", time.Since(began))
	w.healed()
}

func (w *wanCluster) badOrders() {
	for _, err := range []error{
		w.cluster.Link("dc1", "dc3").Cut(), w.cluster.Link("dc1", "dc1").Heal(), w.link.CutFrom("dc3"),
		w.link.SetDelay(-1), w.link.SetRate(-1), w.link.SetLoss(1.1, 0),
	} {
		require.ErrorContains(w, err, "cassandratest: ")
	}
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
