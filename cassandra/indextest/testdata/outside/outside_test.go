package outside

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/indextest"
	"github.com/popcask/popcask/mailbox"
)

// newKeyspace makes a keyspace with the index's table, and returns how to reach
// it.
func newKeyspace(t *testing.T) cassandra.Config {
	t.Helper()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	dc := cluster.DCs[0]
	config := cassandra.Config{
		Hosts: cluster.Hosts(dc.Name), LocalDC: dc.Name, Keyspace: cluster.KeyspaceName(t),
		Timeout: 10 * time.Second,
	}
	if err := cassandra.Migrate(t.Context(), config, cassandra.Replication{dc.Name: min(3, dc.Nodes)}); err != nil {
		t.Fatal(err)
	}
	session, err := cassandra.Connect(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := New(session).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return config
}

func TestConformance(t *testing.T) {
	session, err := cassandra.Connect(t.Context(), newKeyspace(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	indextest.Run(t, session, New(session))
}

// dialer is a host's own.
type dialer struct {
	net.Dialer
	connections atomic.Int32
}

func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.connections.Add(1)
	return d.Dialer.DialContext(ctx, network, address)
}

// A store with the index, over connections of the host's own dialer.
func TestStore(t *testing.T) {
	var d dialer
	config := newKeyspace(t)
	config.Cluster = func(c *gocql.ClusterConfig) { c.Dialer = &d }
	store, err := cassandra.Open(t.Context(), config, New)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	delivered, err := mailbox.Deliver(t.Context(), store, mailbox.To("anna@example.org"), strings.NewReader("Subject: hello\r\n\r\nhello\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := store.Open(t.Context(), mailbox.Login{User: "anna@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	listed, err := mailbox.List(t.Context(), box)
	if want := []mailbox.Message{delivered}; err != nil || !slices.Equal(listed, want) {
		t.Fatalf("the mailbox lists %v, %v, not %v", listed, err, want)
	}
	if err := box.Delete(t.Context(), []string{delivered.ID}); err != nil {
		t.Fatal(err)
	}
	if listed, err = mailbox.List(t.Context(), box); err != nil || len(listed) != 0 {
		t.Fatalf("the mailbox lists %v, %v after its message was removed", listed, err)
	}
	if d.connections.Load() == 0 {
		t.Fatal("the dialer was not used")
	}
}

// What would break a promise of the store is an error that names the field.
func TestSettingsThatBreakAPromise(t *testing.T) {
	config := newKeyspace(t)
	for field, change := range map[string]func(*gocql.ClusterConfig){
		"DefaultTimestamp":               func(c *gocql.ClusterConfig) { c.DefaultTimestamp = true },
		"PoolConfig.HostSelectionPolicy": func(c *gocql.ClusterConfig) { c.PoolConfig.HostSelectionPolicy = gocql.RoundRobinHostPolicy() },
	} {
		config.Cluster = change
		store, err := cassandra.Open(t.Context(), config, New)
		if err == nil {
			store.Close(context.Background())
		}
		if err == nil || !strings.Contains(err.Error(), "Config.Cluster must not set "+field) {
			t.Errorf("%s: Open returned %v", field, err)
		}
	}
}
