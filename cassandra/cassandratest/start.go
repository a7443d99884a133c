package cassandratest

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// existingEnv names an existing cluster, requireEnv turns skips into failures.
const (
	existingEnv = "POPCASK_CASSANDRA"
	requireEnv  = "POPCASK_REQUIRE_CASSANDRA"
)

// Start gives the test a cluster of that topology, starting it when nobody has
// yet, and returns when it is up: a first node takes 4 s on an idle machine, a
// running cluster some milliseconds. Its steps go to the test's log. The lease
// ends with the test.
//
// With -short the test is skipped. It is skipped, too, if no cluster can be had;
// with POPCASK_REQUIRE_CASSANDRA=1 it then fails, unless it asks for a WAN and does
// not run as root on Linux. A cluster that can be had and does not
// start fails the test in any case, and shows the end of the node's log.
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

// skipShort skips a test with -short: nodes take seconds to start, and each test
// waits for them.
func skipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("no Cassandra with -short")
	}
}

// missing skips the test, or fails it.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv(requireEnv) == "1" {
		t.Fatalf("%v (%s=1)", err, requireEnv)
	}
	t.Skip(err)
}
