package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/gocql/gocql"
)

// errTooSmall means that the existing cluster is not what the test asks for.
var errTooSmall = errors.New("the cluster of " + existingEnv + " is too small")

// existing looks at a running cluster. Its data centres may have other names
// than those of the topology, but there must be as many, each with as many
// nodes. Settings, heap and JVM arguments are not looked at.
func existing(ctx context.Context, hosts []string, t Topology) (*Cluster, error) {
	at := place{Ports: portPairs[0]}
	at.Address = strings.TrimSpace(hosts[0])
	if host, port, err := net.SplitHostPort(at.Address); err == nil {
		at.Address = host
		if at.Ports.CQL, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("%s: %q is not HOST or HOST:PORT", existingEnv, hosts[0])
		}
	}
	session, err := direct(at, Topology{})
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", existingEnv, strings.Join(hosts, ","), err)
	}
	defer session.Close()

	c := &Cluster{progress: func(string) {}}
	counts := map[string]int{}
	add := func(dc, address string) {
		if counts[dc]++; counts[dc] == 1 {
			c.DCs = append(c.DCs, DC{Name: dc})
		}
		c.Nodes = append(c.Nodes, Node{DC: dc, Address: address, Port: at.Ports.CQL})
	}
	var dc string
	if err := session.Query("SELECT data_center FROM system.local").WithContext(ctx).Scan(&dc); err != nil {
		return nil, fmt.Errorf("%s: %w", existingEnv, err)
	}
	add(dc, at.Address)
	peers := session.Query("SELECT data_center, rpc_address FROM system.peers").WithContext(ctx).Iter()
	for address := ""; peers.Scan(&dc, &address); {
		add(dc, address)
	}
	if err := peers.Close(); err != nil {
		return nil, fmt.Errorf("%s: %w", existingEnv, err)
	}
	c.sort(counts)
	if !c.serves(t) {
		return nil, fmt.Errorf("%w: it has %s, this test wants %s", errTooSmall, FormatDCs(c.DCs), FormatDCs(t.DCs))
	}
	return c, nil
}

// sort puts data centres and nodes in an order that is always the same, and
// names the nodes.
func (c *Cluster) sort(counts map[string]int) {
	for i := range c.DCs {
		c.DCs[i].Nodes = counts[c.DCs[i].Name]
	}
	slices.SortFunc(c.DCs, func(a, b DC) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Nodes, func(a, b Node) int {
		return strings.Compare(a.DC+" "+a.Address, b.DC+" "+b.Address)
	})
	number := map[string]int{}
	for i, n := range c.Nodes {
		number[n.DC]++
		c.Nodes[i].Name = fmt.Sprintf("%s-%d", n.DC, number[n.DC])
	}
}

func (c *Cluster) serves(t Topology) bool {
	if len(c.DCs) < len(t.DCs) {
		return false
	}
	for i, dc := range t.DCs {
		if c.DCs[i].Nodes < dc.Nodes {
			return false
		}
	}
	return true
}

// Config returns a configuration of the driver for a data centre of the
// cluster, or for all of it with "". It may be changed before a session is made
// of it.
func (c *Cluster) Config(dc string) *gocql.ClusterConfig {
	var addresses []string
	for _, n := range c.Nodes {
		if dc == "" || n.DC == dc {
			addresses = append(addresses, n.Address)
		}
	}
	config := gocql.NewCluster(addresses...)
	config.Port = c.Nodes[0].Port
	config.ProtoVersion = 4
	config.Logger = quiet
	config.Consistency = gocql.LocalQuorum
	config.SslOpts = c.tls
	config.Authenticator = firstRole
	config.PoolConfig.HostSelectionPolicy = gocql.RoundRobinHostPolicy()
	if dc != "" {
		config.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.DCAwareRoundRobinPolicy(dc))
		config.HostFilter = gocql.DataCentreHostFilter(dc)
	}
	return config
}
