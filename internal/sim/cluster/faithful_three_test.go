package cluster

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/slow"
)

// The simulation answers 1,000 random statements as three nodes do, of which
// one after the other is shut down and misses writes. There are no hints.
//
// In each phase it is determined which replicas a read asks: all of them, or
// the two that live. While all live and differ, only reads at ALL are compared.
// While all live and are the same, any may be asked, but not at ONE, since a
// write at a lower level may still be on its way to a replica.
func TestFaithfulToThreeNodes(t *testing.T) {
	slow.Test(t, "three nodes, which are shut down and started again")
	t.Parallel()
	real := cassandratest.Start(t, cassandratest.Topology{
		DCs: []cassandratest.DC{{Name: "dc1", Nodes: 3}}, Settings: settings, Private: true,
	})
	c, config := newComparison(t, real)
	defer func() { c.real.Close() }()
	n := nodes{c, real, config}
	quorums := []cql.Level{cql.LocalQuorum, cql.EachQuorum, Quorum}
	all := []cql.Level{cql.All}
	any := append(slices.Clone(quorums), cql.All)

	n.run("all are up, and the same", 200, any, any)
	n.shutdown("dc1-3")
	n.run("1 and 2, which are the same", 200, any, any)
	n.boot("dc1-3")
	n.run("all are up, and 3 is behind", 100, all, all)
	n.shutdown("dc1-1")
	n.run("2 and 3, which is behind", 200, any, any)
	n.boot("dc1-1")
	n.run("all are up, and 1 and 3 are behind", 50, all, all)
	n.shutdown("dc1-2")
	n.run("1 and 3, which have both missed writes", 200, any, any)
	n.boot("dc1-2")
	n.run("all are up, and differ", 50, all, all)
	for c.classes["too many tombstones"] == 0 { // one in ten runs has met none
		c.step(all, all)
	}
	c.report()
	n.compareEach()
	c.report()
	require.Positive(t, c.classes["unavailable"])
	require.Zero(t, c.classes["timeout"])
}

// nodes is a comparison with several nodes.
type nodes struct {
	*comparison
	cluster *cassandratest.Cluster
	config  cassandra.Config
}

// run runs random statements.
func (n nodes) run(phase string, statements int, forWrites, forReads []cql.Level) {
	n.t.Helper()
	n.t.Logf("%s: from statement %d on", phase, n.number+1)
	for end := n.number + statements**timesFlag; n.number < end; {
		n.step(forWrites, forReads)
	}
}

func (n nodes) shutdown(name string) {
	n.t.Helper()
	require.NoError(n.t, n.cluster.Shutdown(name))
	n.down[name] = true
	n.settle()
}

func (n nodes) boot(name string) {
	n.t.Helper()
	require.NoError(n.t, n.cluster.Boot(n.t.Context(), name))
	delete(n.down, name)
	n.settle()
}

// settle waits until all nodes agree on who lives, and connects to those.
func (n nodes) settle() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(n.t, n.cluster.Settle(ctx))
	var live []string
	for _, node := range n.cluster.Nodes {
		if !n.down[node.Name] {
			live = append(live, node.Addr())
		}
	}
	n.connect(n.config, live)
}

// compareEach compares the contents of each node: it reads all tables at ONE
// while no other node lives.
func (n nodes) compareEach() {
	n.t.Helper()
	n.shutdown("dc1-1")
	n.shutdown("dc1-2")
	n.readAll("of dc1-3 alone")
	n.boot("dc1-1")
	n.shutdown("dc1-3")
	n.readAll("of dc1-1 alone")
	n.boot("dc1-2")
	n.shutdown("dc1-1")
	n.readAll("of dc1-2 alone")
}
