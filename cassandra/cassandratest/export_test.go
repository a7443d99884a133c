package cassandratest

import (
	"context"
	"testing"
)

// NeedNodes skips a test that starts nodes, but not by [Start].
func NeedNodes(t testing.TB) {
	t.Helper()
	skipShort(t)
	if _, err := findSoftware(t.Context()); err != nil {
		missing(t, err)
	}
}

// Lease is what [Start] does, in a process that is no test.
func Lease(ctx context.Context, topology Topology) (*Cluster, error) {
	return open(ctx, topology, Options{})
}
