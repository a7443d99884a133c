package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/gocql/gocql"
)

// Cluster is a running cluster.
//
// The methods that hurt nodes take the name of a node ("dc1-2"), of a data
// centre ("dc2"), or "" for all nodes. They work on a cluster that is
// [Topology.Private] and on one of [Open]. On a shared cluster they return an
// error.
type Cluster struct {
	// DCs are the data centres, in the order of the topology. Take their names
	// from here: those of an existing cluster may differ from the topology's.
	DCs []DC

	// Nodes are the nodes, data centre by data centre.
	Nodes []Node

	// Dir has the nodes' logs, in Dir/logs. It is "" for an existing cluster.
	Dir string

	lease    *lease // nil for an existing cluster
	private  bool
	tls      *gocql.SslOptions // nil without TLS
	progress func(string)
	guard    *guard // of a WAN; nil without one
}

// Node is a node of a [Cluster].
type Node struct {
	Name    string // "dc1-2"; the nodes of a data centre count from 1
	DC      string
	Address string // an IP address
	Port    int    // for CQL

	at place
}

// Addr returns the node's address and port, as "127.0.0.1:9042".
func (n Node) Addr() string { return net.JoinHostPort(n.Address, strconv.Itoa(n.Port)) }

// Options are for [Open].
type Options struct {
	// Dir is the directory in which the cluster keeps its data from one run to
	// the next. It is created if needed. Default: a temporary one, removed at
	// the end.
	Dir string

	// Progress is called with a line at each step of the start. It may be nil.
	Progress func(string)
}

// Open starts a cluster for a program that is not a test. It returns when every
// node answers and takes all others for alive. The cluster is the program's
// own: [Cluster.Close] ends it, and so does the end of the program, even a kill
// -9. Topology.Grace and Topology.Private have no meaning here.
func Open(ctx context.Context, topology Topology, options Options) (*Cluster, error) {
	topology.Private = true
	return open(ctx, topology, options)
}

func open(ctx context.Context, topology Topology, options Options) (*Cluster, error) {
	topology, err := topology.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("cassandratest: %w", err)
	}
	if options.Progress == nil {
		options.Progress = func(string) {}
	}
	s, err := newSpec(topology, options.Dir)
	if err != nil {
		return nil, fmt.Errorf("cassandratest: %w", err)
	}
	var g *guard
	if topology.WAN {
		if g, err = openGuard(); err != nil {
			return nil, fmt.Errorf("cassandratest: %w", err)
		}
	}
	l, err := acquire(ctx, s, options.Progress)
	if err != nil {
		if g != nil {
			g.close()
		}
		if !errors.Is(err, errInUse) {
			s.awaitEnd()
		}
		return nil, fmt.Errorf("cassandratest: %w", err)
	}
	c := &Cluster{DCs: l.layout.DCs, Dir: s.Dir, lease: l, private: topology.Private, tls: topology.clientTLS(), progress: options.Progress, guard: g}
	c.takeNodes(l.layout)
	var subnets []netip.Prefix
	for _, n := range c.Nodes {
		if s := subnetOf(n.Address); !slices.Contains(subnets, s) {
			subnets = append(subnets, s)
		}
	}
	if g != nil {
		if err := g.stand(subnets); err != nil {
			return nil, errors.Join(fmt.Errorf("cassandratest: %w", err), c.Close())
		}
	}
	return c, nil
}

// closePatience is how long the end of a cluster may take.
const closePatience = time.Minute

// Close ends the cluster and returns when none of its processes is left. On a
// shared cluster it only ends the lease.
func (c *Cluster) Close() error { return c.close(false) }

func (c *Cluster) close(keepLogs bool) error {
	if c.lease == nil {
		return nil
	}
	if !c.private {
		c.lease.end()
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), closePatience, fmt.Errorf("the nodes have not ended after %s", closePatience))
	defer cancel()
	if err := c.lease.endCluster(ctx, keepLogs); err != nil {
		return fmt.Errorf("cassandratest: %w", err)
	}
	return nil
}

// Lost returns a channel that is closed if the cluster ends without Close: if
// its keeper is killed. Call it once at most. Close must be called all the
// same.
func (c *Cluster) Lost() <-chan struct{} {
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		// The keeper says nothing more: the next thing to read is its end.
		c.lease.conn.Read(make([]byte, 1))
	}()
	return lost
}

// Hosts returns the addresses of the nodes of a data centre, or of all nodes
// for "", in the form that drivers take: "127.0.0.1:9042".
func (c *Cluster) Hosts(dc string) []string {
	var hosts []string
	for _, n := range c.Nodes {
		if dc == "" || n.DC == dc {
			hosts = append(hosts, n.Addr())
		}
	}
	return hosts
}

// Node returns the node with that name.
func (c *Cluster) Node(name string) (Node, error) {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return Node{}, fmt.Errorf("cassandratest: no node is called %q", name)
}

// LogFile returns the path of a node's log.
func (c *Cluster) LogFile(node string) string {
	return filepath.Join(c.Dir, "logs", node+".log")
}

// Kill ends nodes with SIGKILL, and returns when their processes have ended.
// The other nodes notice after about 15 s: see Settle.
func (c *Cluster) Kill(nodes string) error {
	return c.do(context.Background(), "kill", request{Op: opKill, Nodes: nodes})
}

// Pause stops nodes with SIGSTOP: they keep their connections and do not
// answer.
func (c *Cluster) Pause(nodes string) error {
	return c.do(context.Background(), "pause", request{Op: opPause, Nodes: nodes})
}

// Resume lets paused nodes go on, with SIGCONT.
func (c *Cluster) Resume(nodes string) error {
	return c.do(context.Background(), "resume", request{Op: opResume, Nodes: nodes})
}

// Shutdown ends nodes with SIGTERM: they tell the others, and flush what they
// have in memory. A node that has not ended after 30 s is killed.
func (c *Cluster) Shutdown(nodes string) error {
	return c.do(context.Background(), "shut down", request{Op: opShutdown, Nodes: nodes})
}

// Boot starts nodes that do not run, and returns when each answers queries. The
// others may still take them for dead: see Settle.
func (c *Cluster) Boot(ctx context.Context, nodes string) error {
	return c.do(ctx, "boot", request{Op: opBoot, Nodes: nodes})
}

// Settle waits until every node that runs takes exactly the nodes that run for
// alive: about 15 s after Kill and Pause, a second or two after Boot and
// Resume. Paused nodes do not count as running. The nodes on the other side of
// a [Link] that is cut, one way or both, are expected to be taken for dead.
func (c *Cluster) Settle(ctx context.Context) error {
	return c.do(ctx, "settle", request{Op: opSettle})
}

// Restart kills nodes, starts them again and waits until all agree that they
// are alive.
func (c *Cluster) Restart(ctx context.Context, nodes string) error {
	if err := c.Kill(nodes); err != nil {
		return err
	}
	if err := c.Boot(ctx, nodes); err != nil {
		return err
	}
	return c.Settle(ctx)
}

var errNotPrivate = errors.New("other tests use this cluster too: set Topology.Private")

func (c *Cluster) do(ctx context.Context, what string, r request) error {
	err := errNotPrivate
	if c.private {
		err = c.lease.do(ctx, r, c.progress)
	}
	if err != nil {
		return fmt.Errorf("cassandratest: %s %q: %w", what, r.Nodes, err)
	}
	return nil
}
