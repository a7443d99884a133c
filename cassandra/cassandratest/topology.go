package cassandratest

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Topology describes a cluster. The zero value is one small node in the data
// centre "dc1", shared with every other test that asks for the same.
type Topology struct {
	// DCs are the data centres. Default: "dc1" with one node.
	DCs []DC

	// Settings replace or add settings of cassandra.yaml on every node, by
	// their names there: {"tombstone_failure_threshold": 1000}. Values are
	// numbers, strings, booleans, and lists and maps of them.
	Settings map[string]any `json:",omitempty"`

	// TLS is a directory with ca.pem, cert.pem and key.pem (PKCS #8). Every node
	// then takes TLS connections only, shows its clients this certificate, and
	// demands one of this authority of them. It must be for localhost, and for
	// servers and clients both. [Cluster.Config] has what a client needs. "" means
	// no TLS. The cluster must be Private.
	TLS string `json:",omitempty"`

	// HeapMB is the heap of each node, in MiB. Default 256, with which a node
	// has about 410 MiB resident after its start.
	HeapMB int

	// JVM are further arguments of java on every node, such as
	// "-XX:TieredStopAtLevel=4" for the full compiler. They come last, and so
	// override the others.
	JVM []string `json:",omitempty"`

	// Grace is how long the nodes of a shared cluster go on after the last
	// lease. Default one minute; negative means none.
	Grace time.Duration

	// Private gives the test a cluster of its own, whose nodes it may hurt. The
	// cluster ends with the test.
	Private bool `json:",omitempty"`

	// WAN puts each data centre into a network of its own. The [Link] between
	// each two of them can have a delay, a rate and a loss, and can be cut.
	// This program reaches all nodes past the links. It needs root on Linux,
	// with the programs ip and nsenter; elsewhere [Start] skips the test. The
	// cluster must be Private.
	WAN bool `json:",omitempty"`
}

// DC is a data centre of a [Topology].
type DC struct {
	Name  string
	Nodes int
}

var dcName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,31}$`)

// ParseDCs reads data centres in the form "dc1:3,dc2:3". A name alone is a data
// centre of one node.
func ParseDCs(s string) ([]DC, error) {
	var dcs []DC
	for _, part := range strings.Split(s, ",") {
		name, count, found := strings.Cut(strings.TrimSpace(part), ":")
		dc := DC{Name: name, Nodes: 1}
		if found {
			n, err := strconv.Atoi(count)
			if err != nil {
				return nil, fmt.Errorf("data centre %q: %q is not a number of nodes (write dc1:3,dc2:3)", part, count)
			}
			dc.Nodes = n
		}
		dcs = append(dcs, dc)
	}
	return dcs, checkDCs(dcs)
}

// FormatDCs writes data centres in the form that [ParseDCs] reads.
func FormatDCs(dcs []DC) string {
	parts := make([]string, len(dcs))
	for i, dc := range dcs {
		parts[i] = fmt.Sprintf("%s:%d", dc.Name, dc.Nodes)
	}
	return strings.Join(parts, ",")
}

// maxNodes keeps a typing error from starting a thousand JVMs.
const maxNodes = 32

func checkDCs(dcs []DC) error {
	seen, nodes := map[string]bool{}, 0
	for _, dc := range dcs {
		switch {
		case !dcName.MatchString(dc.Name):
			return fmt.Errorf("%q is not a name for a data centre: letters, digits and _, the first a letter, at most 32 (write dc1:3,dc2:3)", dc.Name)
		case seen[strings.ToLower(dc.Name)]:
			return fmt.Errorf("data centre %q is named twice", dc.Name)
		case dc.Nodes < 1:
			return fmt.Errorf("data centre %q has %d nodes: it needs at least one", dc.Name, dc.Nodes)
		}
		seen[strings.ToLower(dc.Name)] = true
		nodes += min(dc.Nodes, maxNodes+1)
	}
	if nodes > maxNodes {
		return fmt.Errorf("%s: more than %d nodes on one machine", FormatDCs(dcs), maxNodes)
	}
	return nil
}

// withDefaults fills in the defaults, and checks the rest.
func (t Topology) withDefaults() (Topology, error) {
	if len(t.DCs) == 0 {
		t.DCs = []DC{{Name: "dc1", Nodes: 1}}
	}
	if t.HeapMB == 0 {
		t.HeapMB = 256
	}
	if t.Grace == 0 {
		t.Grace = time.Minute
	}
	if t.HeapMB < 128 {
		return t, fmt.Errorf("a heap of %d MiB is too small for Cassandra: give at least 128", t.HeapMB)
	}
	if t.WAN && !t.Private {
		return t, errors.New("Topology.WAN needs Topology.Private: a link that is cut would hurt the other tests")
	}
	if t.TLS != "" && !t.Private {
		return t, errors.New("Topology.TLS needs Topology.Private: its directory ends with the test")
	}
	return t, checkDCs(t.DCs)
}

// nodeCount returns the number of nodes in all data centres.
func (t Topology) nodeCount() int {
	n := 0
	for _, dc := range t.DCs {
		n += dc.Nodes
	}
	return n
}
