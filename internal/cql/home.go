package cql

import (
	"sync"

	"github.com/gocql/gocql"
)

// home is where the nodes must be that a link speaks to: in the local data
// centre, and in one cluster. An address that the cluster has left may be another
// one's tomorrow; the driver, which looks for its nodes there when it has lost
// them, would take that one's nodes for its own.
type home struct {
	dc string

	mu      sync.Mutex
	members map[string]bool // by host ID
	settled bool            // the link is open, and strangers are refused
}

// Accept implements [gocql.HostFilter]. Only the node that the driver asks for
// all the others says the name of its cluster; the others are members because
// that one says so.
func (h *home) Accept(host *gocql.HostInfo) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if asked := host.ClusterName() != ""; asked && h.settled && !h.members[host.HostID()] {
		return false
	}
	h.members[host.HostID()] = true
	return host.DataCenter() == h.dc
}

// settle makes what is known so far the cluster.
func (h *home) settle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settled = true
}
