// Package paxostest checks, for the tests of all packages, that the clusters
// have run no lightweight transaction (P9). Each node keeps those that it took
// part in in its own system.paxos.
//
//	func TestMain(m *testing.M) { os.Exit(paxostest.Main(m)) }
//
//	keyspace := cluster.KeyspaceName(t)
//	paxostest.Watch(t, cluster, keyspace)
//
// The observer of the driver, which sees the statements themselves, is in
// package storetest. cassandra/p9_no_lwt_test.go checks that both find a
// transaction.
package paxostest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

// watched has the tables of the run, by the addresses of their nodes.
var (
	mu      sync.Mutex
	watched = make(map[string]map[gocql.UUID]string)
)

// Watch fails the test if, at its end, a node of the cluster has a transaction
// of a table of the keyspace. Call it after KeyspaceName, so that it looks
// before the keyspace is dropped, and before the sessions are made that use the
// keyspace, so that it looks after they are closed. [Main] looks once more at
// the end of the run.
func Watch(t testing.TB, cluster *cassandratest.Cluster, keyspace string) {
	t.Helper()
	t.Cleanup(func() {
		tables, err := Tables(cluster, keyspace)
		if err != nil {
			t.Logf("P9: no node names the tables of %s: %v", keyspace, err) // all are killed
			return
		}
		for _, node := range cluster.Nodes {
			mu.Lock()
			if watched[node.Addr()] == nil {
				watched[node.Addr()] = make(map[gocql.UUID]string)
			}
			for id, name := range tables {
				watched[node.Addr()][id] = name
			}
			mu.Unlock()
			found, err := Rows(node.Addr(), tables)
			switch {
			case gone(err):
				t.Logf("P9: node %s is down, and not looked at", node.Name)
			case err != nil:
				t.Errorf("P9: node %s: read system.paxos: %v", node.Name, err)
			}
			for _, table := range found {
				t.Errorf("P9: node %s has run a lightweight transaction on %s", node.Name, table)
			}
		}
	})
}

// Main runs the tests. Then it looks at every node that still runs for
// transactions of any table that a test has watched, also of one that is
// dropped.
func Main(m *testing.M) int {
	code := m.Run()
	mu.Lock()
	defer mu.Unlock()
	for address, tables := range watched {
		found, err := Rows(address, tables)
		if gone(err) {
			continue // a test's own cluster, which has ended with it
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "P9: node %s: read system.paxos: %v\n", address, err)
			code = 1
		}
		for _, table := range found {
			fmt.Fprintf(os.Stderr, "P9: node %s has run a lightweight transaction on %s\n", address, table)
			code = 1
		}
	}
	return code
}

// MainNoLeaks is Main, and fails a run that leaves goroutines behind.
func MainNoLeaks(m *testing.M) int {
	code := Main(m)
	if code != 0 {
		return code // a test that failed may well have left something
	}
	if err := leaked(time.Minute); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// leaked returns an error that shows the goroutines that still run after a
// while. Those of the driver end some seconds after their session is closed:
// one that fails to connect sleeps for a second between its tries.
func leaked(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := goleak.Find(
			goleak.IgnoreAnyFunction("github.com/gocql/gocql.(*eventDebouncer).flusher"),
			goleak.IgnoreAnyFunction("github.com/gocql/gocql.(*Session).handleSchemaEvent"), // waits for an agreement, up to a minute
		)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// Tables returns the names of the tables of a keyspace, by their ids in
// system.paxos.
func Tables(cluster *cassandratest.Cluster, keyspace string) (map[gocql.UUID]string, error) {
	err := errors.New("no nodes")
	for _, node := range cluster.Nodes {
		tables := make(map[gocql.UUID]string)
		err = each(node.Addr(), "SELECT id, table_name FROM system_schema.tables WHERE keyspace_name = ?", func(rows *gocql.Iter) {
			var id gocql.UUID
			for name := ""; rows.Scan(&id, &name); {
				tables[id] = keyspace + "." + name
			}
		}, keyspace)
		if err == nil {
			return tables, nil
		}
	}
	return nil, err
}

// Rows returns a name for each row of system.paxos of one node that is about
// one of the tables.
func Rows(address string, tables map[gocql.UUID]string) (found []string, err error) {
	err = each(address, "SELECT cf_id FROM system.paxos", func(rows *gocql.Iter) {
		for id := (gocql.UUID{}); rows.Scan(&id); {
			if name, ours := tables[id]; ours {
				found = append(found, name)
			}
		}
	})
	return found, err
}

// each runs a query on exactly one node: each node has its own system tables.
func each(address, statement string, scan func(*gocql.Iter), values ...any) error {
	dial, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	dial.Close()
	config := gocql.NewCluster(address)
	config.HostFilter = gocql.WhiteListHostFilter(address)
	config.DisableInitialHostLookup = true
	config.ProtoVersion = 4
	config.NumConns = 1
	config.Timeout = 30 * time.Second
	config.ConnectTimeout = 10 * time.Second
	session, err := config.CreateSession()
	if err != nil {
		return err
	}
	defer session.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rows := session.Query(statement, values...).WithContext(ctx).Consistency(gocql.One).Iter()
	scan(rows)
	return rows.Close()
}

// gone reports whether an error means that no process listens there.
func gone(err error) bool {
	var network *net.OpError
	return errors.As(err, &network)
}
