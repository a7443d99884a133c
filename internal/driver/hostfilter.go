package driver

import (
	"sync"

	"github.com/gocql/gocql"
)

// members are the nodes that a link speaks to: in the local data
// centre, and in one cluster. An address that the cluster has left may be another
// one's tomorrow; the driver, which looks for its nodes there when it has lost
// them, would take that one's nodes for its own.
type members struct {
	dc string

	mu      sync.Mutex
	known   map[string]bool // by host ID
	settled bool            // the link is open, and strangers are refused
}

// Accept implements [gocql.HostFilter]. Only the node that the driver asks for
// all the others says the name of its cluster; the others are members because
// that one says so.
func (m *members) Accept(host *gocql.HostInfo) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if asked := host.ClusterName() != ""; asked && m.settled && !m.known[host.HostID()] {
		return false
	}
	m.known[host.HostID()] = true
	return host.DataCenter() == m.dc
}

// settle makes what is known so far the cluster.
func (m *members) settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled = true
}
