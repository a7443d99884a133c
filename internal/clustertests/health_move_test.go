package clustertests

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/dnstest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
)

// A store that is used all the time, while one node of three comes back at
// another address, and then all of them at once, as on Kubernetes. Ready
// reports whether the store can work, and it goes on by itself; no acknowledged
// mail is lost (P1).
func TestReadyAgainWhenTheNodesHaveMoved(t *testing.T) {
	slow.Test(t, "three nodes, which are moved")
	t.Parallel()
	m := newMoving(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	users := []string{anna, ben}
	wait := m.mail.sendUntil(ctx, t, m.store, users)
	began := time.Now()
	step := func(what string) {
		t.Logf("%5.1f s: %s; %d acknowledged", time.Since(began).Seconds(), what, m.mail.total())
	}
	m.goesOn()

	require.NoError(t, m.cluster.Move(t.Context(), "dc1-2"))
	step("one node has moved")
	m.goesOn()
	step("it is asked there")
	require.NoError(t, m.cluster.Settle(t.Context()))
	m.resolve()

	moved := make(chan error, 1)
	m.dns.Set(movingName) // the service has no pods
	go func() { moved <- m.cluster.Move(t.Context(), "") }()
	var err error
	m.eventually("not ready", func() bool { err = m.session.Ready(t.Context()); return err != nil })
	require.ErrorContains(t, err, "cassandra: not ready: ")
	require.NoError(t, <-moved)
	m.resolve()
	step("all have moved")
	m.goesOn()
	step("ready, and every node is asked")
	stop()
	wait()
	m.mail.check(t, m.store, users)
}

// moving is three nodes that a store finds by a name.
type moving struct {
	*testing.T
	cluster *cassandratest.Cluster
	dns     *dnstest.Server
	heard   storetest.Recorder
	session *cassandra.Session
	store   *cassandra.Store
	mail    mailed
}

const movingName = "cassandra.test"

func newMoving(t *testing.T) *moving {
	m := &moving{T: t}
	m.cluster = cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 3}},
		Settings: map[string]any{"phi_convict_threshold": 5},
		Private:  true,
	})
	m.dns = dnstest.Start(t)
	m.resolve()
	config := storetest.Migrate(t, m.cluster)
	config.Hosts = []string{fmt.Sprintf("%s:%d", movingName, m.cluster.Nodes[0].Port)}
	config.Timeout = 5 * time.Second
	config.Observer = m.heard.Observe
	config.OnError = m.mail.onError
	m.session = storetest.Connect(t, config)
	m.store = storetest.NewStore(t, config)
	return m
}

// resolve gives the name the addresses that the nodes have now.
func (m *moving) resolve() {
	var addresses []string
	for _, node := range m.cluster.Nodes {
		addresses = append(addresses, node.Address)
	}
	m.dns.Set(movingName, addresses...)
}

// goesOn waits until the store works, by way of every node at its present
// address.
func (m *moving) goesOn() {
	m.Helper()
	m.eventually("ready", func() bool { return m.session.Ready(m.Context()) == nil })
	before := m.mail.total()
	m.eventually("deliveries", func() bool { return m.mail.total() > before+10 })
	m.heard.Take()
	answering := make(map[string]bool)
	m.eventually("every node is asked", func() bool {
		for _, o := range m.heard.Take() {
			if o.Err == nil {
				answering[o.Host] = true
			}
		}
		return !slices.ContainsFunc(m.cluster.Hosts(""), func(host string) bool { return !answering[host] })
	})
}

func (m *moving) eventually(what string, condition func() bool) {
	m.Helper()
	require.Eventually(m, condition, 3*time.Minute, 50*time.Millisecond, what)
}
