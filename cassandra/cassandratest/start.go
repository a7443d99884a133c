package cassandratest

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// existingEnv names an existing cluster, requireEnv makes a failure of a skip.
const (
	existingEnv = "POPCASK_CASSANDRA"
	requireEnv  = "POPCASK_REQUIRE_CASSANDRA"
)

// Start returns a cluster of that topology, when it is up. It starts the
// cluster if it does not run yet: a first node takes 4 s on an idle machine, a
// running cluster some milliseconds. Each step goes to the test's log. The
// lease ends with the test.
//
// With -short the test is skipped. It is also skipped if no cluster can be had;
// with POPCASK_REQUIRE_CASSANDRA=1 it fails then, unless it asks for a WAN and
// does not run as root on Linux. If a cluster can be had and does not start,
// the test fails in any case, with the end of the node's log.
func Start(t testing.TB, topology Topology) *Cluster {
	t.Helper()
	skipShort(t)
	topology, err := topology.withDefaults()
	if err != nil {
		t.Fatalf("cassandratest: %v", err)
	}
	if hosts := os.Getenv(existingEnv); hosts != "" && !topology.Private {
		c, err := existing(t.Context(), strings.Split(hosts, ","), topology)
		if errors.Is(err, errTooSmall) {
			missing(t, err)
		}
		if err != nil {
			t.Fatalf("cassandratest: %v", err)
		}
		return c
	}
	began := time.Now()
	c, err := open(t.Context(), topology, Options{Progress: func(line string) {
		t.Logf("cassandratest: %5.1fs %s", time.Since(began).Seconds(), line)
	}})
	switch {
	case errors.Is(err, errNoWANHere):
		t.Skip(err)
	case errors.Is(err, errNoSoftware), errors.Is(err, errNoWAN), errors.Is(err, errNotHere):
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The log of a test that failed is worth keeping.
		if err := c.close(t.Failed()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("cassandratest: the nodes' logs are in %s/logs", c.Dir)
		}
	})
	return c
}

// skipShort skips a test with -short: a node takes seconds to start.
func skipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("no Cassandra with -short")
	}
}

// missing skips the test because something is missing, or fails it if nothing
// may be.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv(requireEnv) == "1" {
		t.Fatalf("%v (%s=1)", err, requireEnv)
	}
	t.Skip(err)
}
