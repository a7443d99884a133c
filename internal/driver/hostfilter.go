package driver

import (
	"fmt"
	"strings"
	"sync"

	"github.com/gocql/gocql"
)

// members filters the nodes that a link uses: those of one cluster, and of
// these the ones in the local data centre.
//
// An address that a cluster has left may belong to another cluster later. A
// driver that has lost its nodes looks for them at their old addresses, and
// would take the nodes of the other cluster for its own.
//
// It also knows where the nodes are. The driver asks one node for the list of
// all; two statements of ours may ask two nodes, and neither lists itself among
// its peers.
type members struct {
	dc string // "" accepts all nodes

	mu       sync.Mutex
	known    map[string]string // data centres by host ID
	settled  bool              // the link is open: unknown nodes are refused
	answered bool              // a node of the data centre did
	others   []string          // nodes that answered and are in other data centres
}

// Accept implements [gocql.HostFilter]. Only the node that the driver asks for
// the list of nodes has a cluster name; the others are members because it lists
// them.
func (m *members) Accept(host *gocql.HostInfo) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := host.ClusterName() != ""
	if _, known := m.known[host.HostID()]; asked && m.settled && !known {
		return false
	}
	m.known[host.HostID()] = host.DataCenter()
	accepted := m.dc == "" || host.DataCenter() == m.dc
	switch {
	case asked && accepted:
		m.answered = true
	case asked && !m.settled:
		m.others = append(m.others, host.HostnameAndPort()+" is in "+host.DataCenter())
	}
	return accepted
}

// settle closes the list: the nodes that are known now are those of the
// cluster.
func (m *members) settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled = true
}

// dataCentres returns the number of nodes in each data centre.
func (m *members) dataCentres() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	centres := make(map[string]int)
	for _, dc := range m.known {
		centres[dc]++
	}
	return centres
}

// explain returns an [elsewhere] in place of gocql's error, if the nodes that
// answered are all in other data centres.
func (m *members) explain(err error, hosts []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answered || len(m.others) == 0 {
		return err
	}
	return &elsewhere{fmt.Sprintf("no node of data centre %q answers at %s: %s",
		m.dc, strings.Join(hosts, ", "), strings.Join(m.others, ", ")), err}
}

// elsewhere says in which data centres the nodes are that answer.
type elsewhere struct {
	text  string
	cause error
}

func (e *elsewhere) Error() string { return e.text }
func (e *elsewhere) Unwrap() error { return e.cause }
