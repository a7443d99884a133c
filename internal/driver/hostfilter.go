package driver

import (
	"sync"

	"github.com/gocql/gocql"
)

// members filters the nodes that a link uses: those of one cluster, and of
// these the ones in the local data centre.
//
// An address that a cluster has left may belong to another cluster later. A
// driver that has lost its nodes looks for them at their old addresses, and
// would take the nodes of the other cluster for its own.
type members struct {
	dc string

	mu      sync.Mutex
	known   map[string]bool // by host ID
	settled bool            // the link is open: unknown nodes are refused
}

// Accept implements [gocql.HostFilter]. Only the node that the driver asks for
// the list of nodes has a cluster name; the others are members because it lists
// them.
func (m *members) Accept(host *gocql.HostInfo) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if asked := host.ClusterName() != ""; asked && m.settled && !m.known[host.HostID()] {
		return false
	}
	m.known[host.HostID()] = true
	return host.DataCenter() == m.dc
}

// settle closes the list: the nodes that are known now are those of the
// cluster.
func (m *members) settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled = true
}
