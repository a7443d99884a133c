package indextest_test

import (
	"testing"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/indextest"
	"github.com/popcask/popcask/projection"
)

// The body of a test function in the tests of an index.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestConformance(t *testing.T) {
		cluster := cassandratest.Start(t, cassandratest.Topology{})
		dc := cluster.DCs[0].Name
		config := cassandra.Config{Hosts: cluster.Hosts(dc), LocalDC: dc, Keyspace: cluster.KeyspaceName(t)}
		if err := cassandra.Migrate(t.Context(), config, cassandra.Replication{dc: 1}); err != nil {
			t.Fatal(err)
		}
		session, err := cassandra.Connect(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(session.Close)
		indextest.Run(t, session, projection.New(session))
	}
}
