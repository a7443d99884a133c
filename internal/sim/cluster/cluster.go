package cluster

import (
	"fmt"
	"slices"
)

// DC is a data centre.
type DC struct {
	Name     string
	Nodes    int
	Replicas int // of each partition
}

// Cluster is a cluster with one keyspace.
type Cluster struct {
	schema *schema
	keys   []*keys // of each table

	dcs      []string
	replicas []int // of each data centre
	nodes    []*Node
	added    []int // nodes that the data centre ever had
	everyone bool  // all nodes are replicas of every partition
	epoch    int   // changes with the nodes and the replication
	ring     []position

	warn, fail int
	warnings   int
	met        Met
}

// New returns a cluster without tables. The nodes of a data centre dc1 are
// named dc1-1, dc1-2 ... There may be up to 8 data centres, and up to 24
// replicas in all of them.
func New(dcs ...DC) *Cluster {
	c := &Cluster{schema: &schema{}, warn: 1000, fail: 100_000}
	for _, dc := range dcs {
		c.dcs = append(c.dcs, dc.Name)
		c.replicas = append(c.replicas, dc.Replicas)
		c.added = append(c.added, 0)
		for range dc.Nodes {
			c.join(len(c.dcs) - 1)
		}
	}
	c.placeAgain()
	return c
}

func (c *Cluster) join(dc int) *Node {
	c.added[dc]++
	n := &Node{Name: fmt.Sprintf("%s-%d", c.dcs[dc], c.added[dc]), DC: c.dcs[dc], dc: dc, cluster: c}
	i := len(c.nodes)
	for i > 0 && c.nodes[i-1].dc > dc {
		i--
	}
	c.nodes = slices.Insert(slices.Clone(c.nodes), i, n)
	return n
}

// Nodes returns the nodes, data centre by data centre.
func (c *Cluster) Nodes() []*Node { return slices.Clone(c.nodes) }

// Node returns the node with that name, or nil.
func (c *Cluster) Node(name string) *Node {
	for _, n := range c.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Replication returns the number of replicas in each data centre that has some.
func (c *Cluster) Replication() map[string]int {
	replication := make(map[string]int)
	for i, dc := range c.dcs {
		if c.replicas[i] > 0 {
			replication[dc] = c.replicas[i]
		}
	}
	return replication
}

// SetReplication changes the number of replicas in each data centre, as ALTER
// KEYSPACE does. It moves no data. A name that is not of a data centre is left
// out.
func (c *Cluster) SetReplication(replication map[string]int) {
	c.replicas = make([]int, len(c.dcs)) // a statement under way keeps the old numbers
	for i, dc := range c.dcs {
		c.replicas[i] = replication[dc]
	}
	c.placeAgain()
}

// Add lets a new node join the ring, without data: [Cluster.Stream] gives it
// its data. The data centre may be a new one, of which nothing is a replica
// yet.
func (c *Cluster) Add(dc string) *Node {
	i := slices.Index(c.dcs, dc)
	if i < 0 {
		i = len(c.dcs)
		c.dcs, c.replicas, c.added = append(c.dcs, dc), append(c.replicas, 0), append(c.added, 0)
	}
	n := c.join(i)
	n.fresh = true
	c.placeAgain()
	return n
}

// Remove takes a node out of the ring.
func (c *Cluster) Remove(n *Node) {
	c.nodes = slices.DeleteFunc(slices.Clone(c.nodes), func(other *Node) bool { return other == n })
	c.placeAgain()
}

// SetThresholds sets tombstone_warn_threshold and tombstone_failure_threshold
// of all nodes: 1,000 and 100,000 unless they are set.
func (c *Cluster) SetThresholds(warn, fail int) { c.warn, c.fail = warn, fail }

// Warnings returns how many reads of a replica met more tombstones than the
// threshold for a warning.
func (c *Cluster) Warnings() int { return c.warnings }

// Met is what reads have met on the replicas.
type Met struct {
	Rows       int // that a SELECT returns
	Tombstones int
}

// Met returns what all reads have met.
func (c *Cluster) Met() Met { return c.met }

// Columns returns the names of the columns of each table, sorted.
func (c *Cluster) Columns() map[string][]string {
	all := make(map[string][]string)
	for _, t := range c.schema.tables {
		all[t.name] = t.columnNames()
	}
	return all
}

func (c *Cluster) setSchema(s *schema) {
	c.schema = s
	for len(c.keys) < len(s.tables) {
		c.keys = append(c.keys, &keys{numbers: make(map[string]int)})
	}
}

// Clone returns a copy, which shares nothing that changes with the original.
func (c *Cluster) Clone() *Cluster {
	copied := *c
	copied.keys = make([]*keys, len(c.keys))
	for i, k := range c.keys {
		copied.keys[i] = k.clone()
	}
	copied.dcs, copied.replicas, copied.added = slices.Clone(c.dcs), slices.Clone(c.replicas), slices.Clone(c.added)
	copied.nodes = make([]*Node, len(c.nodes))
	for i, n := range c.nodes {
		copied.nodes[i] = n.clone(&copied)
	}
	copied.placeAgain()
	return &copied
}
