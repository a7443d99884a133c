package cluster

import (
	"slices"
	"time"
)

// Stream gives a node the data of the partitions that it is a replica of: for
// each of them, everything that one source has. from chooses the source among
// the other replicas; those that there were before the node, if it was added.
// Without a source the partition is left out. Call [Node.Wipe] first for a node
// that replaces another one.
func (c *Cluster) Stream(n *Node, from func(token int64, candidates []*Node) *Node, at time.Time) {
	for _, t := range c.schema.tables {
		for _, key := range c.keys[t.index].all {
			replicas := c.replicasOf(key)
			if !slices.Contains(replicas, n) {
				continue
			}
			if n.fresh {
				replicas = c.replicasAt(key.token, n)
			}
			candidates := slices.DeleteFunc(slices.Clone(replicas), func(other *Node) bool { return other == n })
			source := from(key.token, candidates)
			if source == nil {
				continue
			}
			if p := source.data.get(t, key); p != nil && !p.empty() {
				n.apply(p.content(t, key), at, true)
			}
		}
	}
	n.fresh = false
}

// Repair gives all replicas of each partition all that any of them has, as
// nodetool repair -full does for all tables. It flushes all nodes first, so
// that they forget nothing of what was before.
func (c *Cluster) Repair(at time.Time) error {
	for _, n := range c.nodes {
		n.flush()
	}
	for _, t := range c.schema.tables {
		for _, key := range c.keys[t.index].all {
			c.repairPartition(t, key, at)
		}
	}
	return nil
}

func (c *Cluster) repairPartition(t *table, key *partitionKey, at time.Time) {
	union := &partition{deleted: noDeletion}
	replicas := c.replicasOf(key)
	for _, n := range replicas {
		if p := n.data.get(t, key); p != nil {
			union.apply(p.content(t, key))
		}
	}
	if union.empty() {
		return
	}
	all := union.content(t, key)
	for _, n := range replicas {
		n.apply(all, at, true)
	}
}

// Wipe takes all data from a node, as the loss of its disk does.
func (n *Node) Wipe() { n.data, n.durable, n.log = nil, nil, nil }

// Compact forgets the tombstones that are older than gc_grace_seconds, with
// what they delete.
func (n *Node) Compact(now time.Time) {
	n.settle(now.Add(-logFor))
	n.durable.compact(n.cluster.schema, now)
	n.data = n.durable.clone()
	for _, entry := range n.log {
		n.data.apply(entry.m)
	}
}

func (s store) compact(tables *schema, now time.Time) {
	for i, partitions := range s {
		for j, p := range partitions {
			if p == nil {
				continue
			}
			if p.compact(now.Unix() - tables.tables[i].gcGrace); p.empty() {
				partitions[j] = nil
			}
		}
	}
}

// Snapshot is the data of a node at some time.
type Snapshot struct{ data store }

// Snapshot returns the data of a node. It flushes the node, which forgets
// nothing of what was before.
func (n *Node) Snapshot() *Snapshot {
	n.flush()
	return &Snapshot{n.data.clone()}
}

// Restore makes the disk of a node that of a snapshot.
func (n *Node) Restore(s *Snapshot) {
	n.data, n.durable, n.log = s.data.clone(), s.data.clone(), nil
}

// Load merges a snapshot, of this node or of another one, into the data of a
// node, as nodetool refresh does.
func (n *Node) Load(s *Snapshot, at time.Time) {
	for _, t := range n.cluster.schema.tables {
		for _, key := range n.cluster.keys[t.index].all {
			if p := s.data.get(t, key); p != nil && !p.empty() {
				n.apply(p.content(t, key), at, true)
			}
		}
	}
}

// Leave takes a node from the ring, after it has given each of its partitions to
// the node that is a replica in its place (nodetool decommission).
func (c *Cluster) Leave(n *Node, at time.Time) {
	for _, t := range c.schema.tables {
		for _, key := range c.keys[t.index].all {
			p := n.data.get(t, key)
			before := c.replicasOf(key)
			if p == nil || p.empty() || !slices.Contains(before, n) {
				continue
			}
			for _, heir := range c.replicasAt(key.token, n) {
				if !slices.Contains(before, heir) {
					heir.apply(p.content(t, key), at, true)
				}
			}
		}
	}
	c.Remove(n)
}

// Vacuum forgets the keys of the partitions of which no node has anything, so
// that the memory that a cluster takes does not grow with what is gone. No
// [Snapshot] of before fits the cluster after it.
func (c *Cluster) Vacuum() {
	for _, t := range c.schema.tables {
		left := slices.DeleteFunc(c.keys[t.index].all, func(key *partitionKey) bool { return !c.has(t, key) })
		for _, n := range c.nodes {
			n.data.keep(t, left)
			n.durable.keep(t, left)
		}
		numbers := make(map[string]int, len(left))
		for i, key := range left {
			key.number = i
			numbers[key.key] = i
		}
		c.keys[t.index] = &keys{numbers: numbers, all: left, ordered: slices.Clone(left)}
	}
}

// has reports whether a node has anything of a partition.
func (c *Cluster) has(t *table, key *partitionKey) bool {
	return slices.ContainsFunc(c.nodes, func(n *Node) bool { return n.data.get(t, key) != nil || n.durable.get(t, key) != nil })
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
