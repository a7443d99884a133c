package clustertests

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/dnstest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// busy delivers to users and opens their mailboxes, one thing after the other,
// until ctx ends. Whatever fails is temporary.
func busy(ctx context.Context, t *testing.T, store *cassandra.Store, users []string) (acknowledged *mailed, wait func()) {
	acknowledged = new(mailed)
	var group sync.WaitGroup
	for _, user := range users {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				text := fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", i, user)
				m, err := storetest.TryDeliver(t.Context(), store, user, text)
				if err != nil {
					assert.ErrorIs(t, err, mailbox.ErrTemporary)
					continue
				}
				acknowledged.add(user, m.ID, text)
				mb, err := store.Open(t.Context(), mailbox.Login{User: user})
				if err == nil {
					_, err = storetest.TryList(t.Context(), mb)
					mb.Close()
				}
				if err != nil {
					assert.ErrorIs(t, err, mailbox.ErrTemporary)
				}
			}
		})
	}
	return acknowledged, group.Wait
}

// A store that is used all the time, while one node of three comes back at
// another address, and then all of them at once, as on Kubernetes. Ready says
// when the store can work, and it goes on by itself; no acknowledged mail is
// lost.
func TestReadyAgainWhenTheNodesHaveMoved(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts three nodes of its own, and moves them")
	}
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 3}},
		Settings: map[string]any{"phi_convict_threshold": 5},
		Private:  true,
	})
	const name = "cassandra.test"
	dns := dnstest.Start(t)
	resolve := func() {
		var addresses []string
		for _, node := range cluster.Nodes {
			addresses = append(addresses, node.Address)
		}
		dns.Set(name, addresses...)
	}
	resolve()
	config := storetest.Migrate(t, cluster)
	config.Hosts = []string{fmt.Sprintf("%s:%d", name, cluster.Nodes[0].Port)}
	config.Timeout = 5 * time.Second
	var heard storetest.Recorder
	config.Observer = heard.Observe
	session := storetest.Connect(t, config)
	store := storetest.NewStore(t, config)
	users := []string{"anna@example.org", "ben@example.org"}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	acknowledged, wait := busy(ctx, t, store, users)

	ready := func() bool { return session.Ready(t.Context()) == nil }
	began := time.Now()
	step := func(what string) {
		t.Logf("%5.1f s: %s; %d acknowledged", time.Since(began).Seconds(), what, acknowledged.total())
	}
	// goesOn waits until the store works, by way of every node where it is now.
	goesOn := func() {
		require.Eventually(t, ready, 3*time.Minute, 50*time.Millisecond, "ready")
		before := acknowledged.total()
		require.Eventually(t, func() bool { return acknowledged.total() > before+10 }, 3*time.Minute, 50*time.Millisecond, "deliveries")
		heard.Take()
		answering := make(map[string]bool)
		require.Eventually(t, func() bool {
			for _, o := range heard.Take() {
				if o.Err == nil {
					answering[o.Host] = true
				}
			}
			return !slices.ContainsFunc(cluster.Hosts(""), func(host string) bool { return !answering[host] })
		}, 3*time.Minute, 50*time.Millisecond, "every node is asked")
	}
	goesOn()

	require.NoError(t, cluster.Move(t.Context(), "dc1-2"))
	step("one node has moved")
	goesOn()
	step("it is asked there")
	require.NoError(t, cluster.Settle(t.Context()))
	resolve()

	moved := make(chan error, 1)
	dns.Set(name) // the service has no pods
	go func() { moved <- cluster.Move(t.Context(), "") }()
	var err error
	require.Eventually(t, func() bool { err = session.Ready(t.Context()); return err != nil }, 3*time.Minute, 50*time.Millisecond, "not ready")
	require.ErrorContains(t, err, "cassandra: not ready: ")
	require.NoError(t, <-moved)
	resolve()
	step("all have moved")
	goesOn()
	step("ready, and every node is asked")
	stop()
	wait()
	acknowledged.check(t, store, users)
}
