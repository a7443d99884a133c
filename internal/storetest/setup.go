package storetest

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/projection"
)

// Migrate makes a keyspace with the tables, with up to three replicas in each
// data centre. It ends with the test. Migrate returns the configuration of a
// host in the first data centre.
func Migrate(t testing.TB, cluster *cassandratest.Cluster) cassandra.Config {
	t.Helper()
	return MigrateWith(t, cluster, func(*cassandra.Config) {})
}

// MigrateWith is [Migrate] with a change of the configuration.
func MigrateWith(t testing.TB, cluster *cassandratest.Cluster, change func(*cassandra.Config)) cassandra.Config {
	t.Helper()
	config := cassandra.Config{Keyspace: cluster.KeyspaceName(t), Timeout: 10 * time.Second}
	config = In(config, cluster, cluster.DCs[0].Name)
	change(&config)
	paxostest.Watch(t, cluster, config.Keyspace)
	replication := make(cassandra.Replication)
	for _, dc := range cluster.DCs {
		replication[dc.Name] = min(3, dc.Nodes)
	}
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	return config
}

// Killable returns the settings of nodes that a test kills, with others, which
// may be nil. The commit log is synchronous: otherwise a node that is killed
// forgets its last 100 ms, which may be the settings of the keyspace; and a data
// centre may have only one node, while P1 is promised as long as a quorum of it
// survives.
func Killable(others map[string]any) map[string]any {
	settings := map[string]any{"commitlog_sync": "batch", "commitlog_sync_period": "0ms"}
	maps.Copy(settings, others)
	return settings
}

// In returns the configuration of a host in another data centre.
func In(config cassandra.Config, cluster *cassandratest.Cluster, dc string) cassandra.Config {
	config.Hosts, config.LocalDC = cluster.Hosts(dc), dc
	return config
}

// Later returns the configuration of a host whose clock is hours ahead, for
// which no message is so young that a repair leaves it alone.
func Later(config cassandra.Config) cassandra.Config {
	config.Now = func() time.Time { return time.Now().Add(3 * time.Hour) }
	return config
}

// Connect makes a session that closes with the test, and fails it on a
// statement that has a [Problem].
func Connect(t testing.TB, config cassandra.Config) *cassandra.Session {
	t.Helper()
	host := config.Observer
	config.Observer = func(o cassandra.Observation) {
		CheckP9(t, o)
		if host != nil {
			host(o)
		}
	}
	session, err := cassandra.Connect(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(session.Close)
	return session
}

// NewStore makes a store, with a session of its own, that closes with the test.
func NewStore(t testing.TB, config cassandra.Config) *cassandra.Store {
	t.Helper()
	session := Connect(t, config)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	t.Cleanup(func() { CloseStore(t, store) })
	return store
}

// CloseStore closes a store, and fails the test if that takes more than a
// minute.
func CloseStore(t testing.TB, store *cassandra.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := store.Close(ctx); err != nil {
		t.Errorf("close store: %v", err)
	}
}

// Handover is the part of a configuration that can be handed to another
// process, as JSON.
type Handover struct {
	Hosts             []string
	LocalDC, Keyspace string
	ChunkSize         int
}

// HandOver returns that part of a configuration.
func HandOver(c cassandra.Config) Handover {
	return Handover{Hosts: c.Hosts, LocalDC: c.LocalDC, Keyspace: c.Keyspace, ChunkSize: c.ChunkSize}
}

// Config returns the configuration of the other process.
func (h Handover) Config() cassandra.Config {
	return cassandra.Config{Hosts: h.Hosts, LocalDC: h.LocalDC, Keyspace: h.Keyspace, ChunkSize: h.ChunkSize, Timeout: 10 * time.Second}
}
