package cassandratest

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
)

// network is the WAN of a cluster: a network namespace for each data centre,
// and between each two of them a link, which is two lines between two TUN
// devices.
//
//	 ┌─ namespace of dc1 ──────┐            ┌─ namespace of dc2 ──────┐
//	 │ nodes 198.18.0.1, .2 …  │            │ nodes 198.18.1.1, .2 …  │
//	 │ lan           wan2 ═════╪══ lines ═══╪═══ wan1           lan   │
//	 └──┼──────────────────────┘            └─────────────────────┼───┘
//	    │ veth                                               veth │
//	popcask18-0 198.18.0.254                popcask18-1 198.18.1.254
//	     this program, and the rest of the machine
//
// A namespace has routes to its own subnet and, over the links, to those of the
// others, and to nothing else. None of this has a name in a file system: the
// kernel removes it after the keeper and the nodes have ended.
type network struct {
	centres  []*centre
	lines    map[course]*line
	tearDown func()
}

// centre is a data centre of a network.
type centre struct {
	name      string
	subnet    netip.Prefix
	addresses []string // of its nodes
	thread    thread   // in its namespace
	threadID  int
	device    string // outside the namespace
}

// course is a direction of packets: from one data centre to another.
type course struct{ from, to string }

// newNetwork returns the network of nodes; openNetwork builds it.
func newNetwork(nodes []nodeSpec) *network {
	n := &network{lines: map[course]*line{}}
	for _, spec := range nodes {
		if len(n.centres) == 0 || n.centres[len(n.centres)-1].name != spec.DC {
			c := &centre{name: spec.DC, subnet: subnetOf(spec.Address)}
			a := c.subnet.Addr().As4()
			c.device = fmt.Sprintf("%s%d-%d", devicePrefix, a[1], a[2])
			n.centres = append(n.centres, c)
		}
		c := n.centres[len(n.centres)-1]
		c.addresses = append(c.addresses, spec.Address)
	}
	return n
}

// join makes a link of two TUN devices.
func (n *network) join(ctx context.Context, running *sync.WaitGroup, a, b *centre, tunA, tunB *os.File) {
	for _, end := range []struct {
		course
		in, out *os.File
	}{{course{a.name, b.name}, tunA, tunB}, {course{b.name, a.name}, tunB, tunA}} {
		// A packet that the other end does not take is lost, as packets are.
		l := newLine(func(p []byte) { end.out.Write(p) })
		n.lines[end.course] = l
		running.Go(func() { l.carry(ctx) })
		running.Go(func() {
			packet := make([]byte, 1<<16)
			for {
				size, err := end.in.Read(packet)
				if err != nil {
					return // closed
				}
				l.enter(packet[:size])
			}
		})
	}
}

// paths returns the paths by which the namespaces are entered, by data centre.
func (n *network) paths() map[string]string {
	if n == nil {
		return nil
	}
	paths := map[string]string{}
	for _, c := range n.centres {
		paths[c.name] = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), c.threadID)
	}
	return paths
}

// reaches reports whether nodes of two data centres hear of each other: over a
// link that is whole, or through other data centres, since gossip passes news
// on.
func (n *network) reaches(from, to string) bool {
	if n == nil || from == to {
		return true
	}
	seen := map[string]bool{from: true}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		for _, c := range n.centres {
			there, back := n.lines[course{next[0], c.name}], n.lines[course{c.name, next[0]}]
			if seen[c.name] || there.isCut() || back.isCut() {
				continue
			}
			seen[c.name] = true
			next = append(next, c.name)
		}
	}
	return seen[to]
}

// close takes everything down. The nodes must have ended.
func (n *network) close() {
	if n != nil {
		n.tearDown()
	}
}

func (n *network) names() string {
	var names []string
	for _, c := range n.centres {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}
