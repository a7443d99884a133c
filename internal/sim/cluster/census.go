package cluster

import "slices"

// Census appends the number of live rows that a node has of each table, in the
// order in which the tables were defined.
func (n *Node) Census(to []int) []int {
	for _, t := range n.cluster.schema.tables {
		rows := 0
		if t.index < len(n.data) {
			for _, p := range n.data[t.index] {
				if p != nil {
					rows += p.lives()
				}
			}
		}
		to = append(to, rows)
	}
	return to
}

// lives counts the rows that a SELECT returns.
func (p *partition) lives() (rows int) {
	for _, r := range p.rows {
		if r.lives {
			rows++
		}
	}
	return rows
}

// Cleanup takes from all nodes the partitions that they are no replicas of any
// more (nodetool cleanup): after a change of the nodes or of the replication.
// Data that stays may come back when the node is a replica again, after its
// tombstones are gone.
func (c *Cluster) Cleanup() {
	for _, n := range c.nodes {
		n.flush()
		for _, t := range c.schema.tables {
			for _, key := range c.keys[t.index].all {
				if n.data.get(t, key) != nil && !slices.Contains(c.replicasOf(key), n) {
					n.data[t.index][key.number] = nil
				}
			}
		}
		n.flush()
	}
}
