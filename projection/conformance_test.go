package projection_test

import (
	"testing"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/indextest"
	"github.com/popcask/popcask/projection"
)

// The conformance kit, on a real node.
func TestConformance(t *testing.T) {
	session := newSession(t, cassandratest.Topology{}, usual)
	indextest.Run(t, session, projection.New(session))
}
