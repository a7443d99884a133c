package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

// pollEvery is the interval at which the keeper looks whether a node has come
// up.
const pollEvery = 100 * time.Millisecond

// probeKeyspace is the keeper's. It is replicated to every node, so that a
// statement at ALL succeeds only if its coordinator takes every node for alive.
const probeKeyspace = "popcask_probe"

// poll calls try until it returns nil, the context ends, or stop is closed.
func poll(ctx context.Context, stop <-chan struct{}, try func(context.Context) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-stop:
			return errNotRunning
		case <-ctx.Done():
			return fmt.Errorf("%w; at last: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// listening reports whether a process accepts connections there.
func listening(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// quiet drops what the driver logs, which is also in the errors that it
// returns.
var quiet = log.New(io.Discard, "", 0)

// firstRole is the role that Cassandra makes by itself. It is used only if a
// topology sets PasswordAuthenticator.
var firstRole = gocql.PasswordAuthenticator{Username: "cassandra", Password: "cassandra"}

// direct opens a session to one node, and to no other.
func direct(at place, t Topology) (*gocql.Session, error) {
	config := gocql.NewCluster(at.Address)
	config.Port = at.Ports.CQL
	config.ProtoVersion = 4
	config.NumConns = 1
	config.Timeout, config.ConnectTimeout = 3*time.Second, 3*time.Second
	config.DisableInitialHostLookup = true
	// No statement here waits for schema agreement, which takes a round of
	// gossip each time: sees waits for all of it at once.
	config.MaxWaitSchemaAgreement = time.Millisecond
	config.Events.DisableNodeStatusEvents = true
	config.Events.DisableTopologyEvents = true
	config.Events.DisableSchemaEvents = true
	config.Logger = quiet
	config.Authenticator = firstRole
	config.SslOpts = t.clientTLS()
	return config.CreateSession()
}

// answers returns an error if a node does not answer a query.
func answers(ctx context.Context, at place, t Topology) error {
	if err := listening(ctx, at.cql()); err != nil {
		return err
	}
	session, err := direct(at, t)
	if err != nil {
		return err
	}
	defer session.Close()
	var version string
	return session.Query("SELECT release_version FROM system.local").WithContext(ctx).Scan(&version)
}

// createProbe makes the probe's table, after two nodes know each other.
func createProbe(ctx context.Context, at place, t Topology) error {
	session, err := direct(at, t)
	if err != nil {
		return err
	}
	defer session.Close()
	nodes := t.nodeCount()
	replicas := make([]string, len(t.DCs))
	for i, dc := range t.DCs {
		replicas[i] = fmt.Sprintf("'%s': %d", dc.Name, dc.Nodes)
	}
	if known := session.Query("SELECT peer FROM system.peers").WithContext(ctx).Iter(); known.NumRows() != nodes-1 {
		return errors.Join(fmt.Errorf("%s knows %d of %d other nodes", at.Address, known.NumRows(), nodes-1), known.Close())
	}
	for _, statement := range []string{
		"CREATE KEYSPACE IF NOT EXISTS " + probeKeyspace + " WITH replication = {'class': 'NetworkTopologyStrategy', " + strings.Join(replicas, ", ") + "}",
		"CREATE TABLE IF NOT EXISTS " + probeKeyspace + ".probe (id int PRIMARY KEY)",
	} {
		if err := session.Query(statement).WithContext(ctx).Exec(); err != nil {
			return err
		}
	}
	return nil
}

// sees asks a node, as a coordinator, and returns an error unless it takes
// exactly want of all nodes for alive.
func sees(ctx context.Context, at place, t Topology, want int) error {
	session, err := direct(at, t)
	if err != nil {
		return err
	}
	defer session.Close()
	err = session.Query("INSERT INTO " + probeKeyspace + ".probe (id) VALUES (1)").Consistency(gocql.All).WithContext(ctx).Exec()
	alive := t.nodeCount()
	var unavailable *gocql.RequestErrUnavailable
	switch {
	case errors.As(err, &unavailable):
		alive = unavailable.Alive
	case err != nil:
		return err
	}
	if alive != want {
		return fmt.Errorf("%s sees %d nodes alive, not %d", at.Address, alive, want)
	}
	return nil
}
