package cassandratest

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
)

// Session returns a session of the driver with a data centre of the cluster, or
// with all of it for "". It closes with the test. It reads and writes at
// LOCAL_QUORUM, and tries a statement that fails a few times again, since a
// machine may be busy: write what may be written twice.
func (c *Cluster) Session(t testing.TB, dc string) *gocql.Session {
	t.Helper()
	config := c.Config(dc)
	config.RetryPolicy = &gocql.ExponentialBackoffRetryPolicy{NumRetries: 4, Min: 100 * time.Millisecond, Max: 2 * time.Second}
	session, err := config.CreateSession()
	if err != nil {
		t.Fatalf("cassandratest: connect to %s: %v", strings.Join(c.Hosts(dc), ", "), err)
	}
	t.Cleanup(session.Close)
	return session
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// KeyspaceName returns a name that no other test uses, for a test that creates
// the keyspace itself. If the keyspace exists at the end of the test it is
// dropped; not in a private cluster, which ends anyway.
func (c *Cluster) KeyspaceName(t testing.TB) string {
	t.Helper()
	// At most 48 octets, of which the last 13 are random.
	base := strings.Trim(notInName.ReplaceAllString(strings.ToLower(t.Name()), "_"), "_")
	name := "t_" + base[:min(len(base), 32)] + "_" + strings.ToLower(rand.Text()[:13])
	if !c.private {
		t.Cleanup(func() { c.drop(t, name) })
	}
	return name
}

// Keyspace creates a keyspace for the test, replicated in each data centre to
// all of its nodes, but to three at most. It is dropped with the test.
func (c *Cluster) Keyspace(t testing.TB) string {
	t.Helper()
	name := c.KeyspaceName(t)
	session := c.Session(t, "")
	statement := fmt.Sprintf("CREATE KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', %s}", name, c.Replication())
	if err := session.Query(statement).Exec(); err != nil {
		t.Fatalf("cassandratest: %s: %v", statement, err)
	}
	return name
}

// Replication returns that of [Cluster.Keyspace] in the form of CQL:
// "'dc1': 3, 'dc2': 3".
func (c *Cluster) Replication() string {
	parts := make([]string, len(c.DCs))
	for i, dc := range c.DCs {
		parts[i] = fmt.Sprintf("'%s': %d", dc.Name, min(dc.Nodes, 3))
	}
	return strings.Join(parts, ", ")
}

func (c *Cluster) drop(t testing.TB, keyspace string) {
	config := c.Config("")
	config.Timeout = 30 * time.Second // a schema change on a busy machine
	session, err := config.CreateSession()
	if err != nil {
		t.Logf("cassandratest: the keyspace %s stays: %v", keyspace, err)
		return
	}
	defer session.Close()
	if err := session.Query("DROP KEYSPACE IF EXISTS " + keyspace).Exec(); err != nil {
		t.Logf("cassandratest: the keyspace %s stays: %v", keyspace, err)
	}
}
