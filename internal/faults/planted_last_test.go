package faults

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/murmur3"
	"github.com/popcask/popcask/internal/storetest"
)

// last is the node that alone has the mail of the plots.
const last = "dc1-1"

// plotsOfTheLast are played at the same time, since a node is shut down for all
// of them. In each the bug asks a quorum of every data centre where every
// replica must be asked.
var plotsOfTheLast = []struct {
	name   string
	want   Class
	listed bool // the other nodes have the entry in the index, and nothing else
	play   func(*plot, *Worker)
}{
	{"P1 a proof", Missed, false, sealsWithoutTheLast},
	{"P1 a ghost", Missed, true, repairsWithoutTheLast},
	{"P2 a miss", WronglyGone, true, missesWithoutTheLast},
}

// lastReplica: of three replicas one has a message. The two others have
// forgotten it, or never had it: they are new. The one that has it is shut down,
// and comes back, and the cluster is repaired. This finds the bugs that harm
// every such message. Those that also need events in an order that nobody
// chooses on real nodes, as a fence at EACH_QUORUM does, are planted in
// internal/sim.
func lastReplica(t *testing.T, s site) {
	doubt := Doubt{DC: "dc1", From: time.Now()}
	db := s.cluster.Session(t, "dc1")
	has := ownedBy(t, s, last)
	var plots []*plot
	for i := range plotsOfTheLast {
		for _, planted := range []bool{true, false} {
			p := &plot{T: t, planted: planted, cluster: s.cluster, keyspace: s.keyspace}
			p.deliversWhere(has, fmt.Sprintf("last%d.%t", i, planted))
			plots = append(plots, p)
		}
	}
	s.replicate(t, db, "'dc1': 3")
	doubt.Until = time.Now()
	hosts := make([]*Worker, len(plots))
	for i, p := range plots {
		w, session := p.host("b", "dc1", bug{change: sealsAtOnceAndRests, tamper: p.asksAQuorum})
		if hosts[i] = w; plotsOfTheLast[i/2].listed {
			p.indexes(db, session, p.last().Message)
		}
	}
	require.NoError(t, s.cluster.Shutdown(last))
	require.NoError(t, s.cluster.Settle(t.Context()))
	for i, p := range plots {
		plotsOfTheLast[i/2].play(p, hosts[i])
	}
	require.NoError(t, s.cluster.Boot(t.Context(), last))
	require.NoError(t, s.cluster.Settle(t.Context()))
	_, err := s.cluster.NodeTool(t.Context(), last, "repair", "-full", s.keyspace)
	require.NoError(t, err)
	doubt.To = time.Now()
	for i, p := range plots {
		t.Run(plotsOfTheLast[i/2].name+map[bool]string{true: ", planted", false: ", not planted"}[p.planted], func(t *testing.T) {
			p.T = t
			p.reads(hosts[i], false)
			p.reads(hosts[i], true)
			p.judge(plotsOfTheLast[i/2].want, doubt)
		})
	}
}

// sealsAtOnceAndRests does not wait a week after a change of the replication:
// the new replicas are those that forgot.
func sealsAtOnceAndRests(c *cassandra.Config) {
	sealsAtOnce(c)
	c.ReplicationRest = -1
}

// asksAQuorum is the bug.
func (p *plot) asksAQuorum(call *storetest.Call) {
	if call.Level == cql.All {
		call.Level = cql.EachQuorum
		p.harm()
	}
}

// sealsWithoutTheLast has mail removed. Without the bug the proof waits.
func sealsWithoutTheLast(p *plot, w *Worker) {
	if p.planted {
		p.seals(w, 1000)
		return
	}
	p.removes(w, p.delivers(w, p.letter(1000, 100))...)
}

// repairsWithoutTheLast has the library's repair look at what is listed, and is
// nowhere else. Without the bug it postpones that.
func repairsWithoutTheLast(p *plot, w *Worker) {
	report, err := w.Store.Repair(p.Context(), p.user, cassandra.RepairOptions{Confirm: 10 * time.Millisecond})
	require.NoError(p, err)
	require.Len(p, report.Findings, 1)
	require.Equal(p, cassandra.Ghost, report.Findings[0].Kind)
	require.Equal(p, p.planted, report.Mended() == 1, "%v", report.Findings[0].Err)
}

// missesWithoutTheLast retrieves what is listed. Without the bug the error is
// temporary.
func missesWithoutTheLast(p *plot, w *Worker) {
	box, messages := p.opens(w, false)
	require.Len(p, messages, 1)
	require.Error(p, w.Retrieve(p.Context(), box, p.user, messages[0], false))
	require.NoError(p, box.Close())
}

// ownedBy returns a function that reports whether a node of dc1 has a token,
// while dc1 has one replica.
func ownedBy(t *testing.T, s site, name string) func(token int64) bool {
	node, err := s.cluster.Node(name)
	require.NoError(t, err)
	config := gocql.NewCluster(node.Address)
	config.Port, config.DisableInitialHostLookup = node.Port, true // this one, and no other
	session, err := config.CreateSession()
	require.NoError(t, err)
	defer session.Close()
	tokensOf := func(texts []string) (tokens []int64) {
		for _, text := range texts {
			token, err := strconv.ParseInt(text, 10, 64)
			require.NoError(t, err)
			tokens = append(tokens, token)
		}
		return tokens
	}
	var dc string
	var texts []string
	require.NoError(t, session.Query("SELECT tokens FROM system.local").Scan(&texts))
	own := tokensOf(texts)
	all := slices.Clone(own)
	peers := session.Query("SELECT data_center, tokens FROM system.peers").Iter()
	for texts = nil; peers.Scan(&dc, &texts); texts = nil {
		if dc == node.DC {
			all = append(all, tokensOf(texts)...)
		}
	}
	require.NoError(t, peers.Close())
	slices.Sort(all)
	return func(token int64) bool {
		i, _ := slices.BinarySearch(all, token)
		return slices.Contains(own, all[i%len(all)])
	}
}

// deliversWhere delivers a message of which the node with some tokens has
// everything, while its data centre has one replica. It tries users until there
// is one.
func (p *plot) deliversWhere(has func(token int64) bool, name string) {
	w, session := p.host("a", "dc1", bug{})
	for n := 0; ; n++ {
		p.user, p.ops = fmt.Sprintf("%s.%d@example.org", name, n), nil
		id := idOf(p, p.delivers(w, p.letter(n, 100))[0])
		if has(cassandra.Token(p.mailboxOf(session), id.Bucket())) && has(murmur3.Token(id[:])) {
			return
		}
	}
}
