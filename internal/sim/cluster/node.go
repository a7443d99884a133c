package cluster

import (
	"slices"
	"time"
)

// Node is a node of a cluster.
type Node struct {
	Name string
	DC   string

	dc      int // index of DC in Cluster.dcs
	cluster *Cluster
	fresh   bool  // it was added, and not streamed to yet
	data    store // what it has
	log     []logged
	durable store // what it has without the log; see Forget
}

// logged is a mutation that a node has applied.
type logged struct {
	m    *Mutation
	at   time.Time
	file bool // it came as a file, and is never forgotten
}

const (
	logFor  = time.Second // how long a mutation stays in the log
	longLog = 256         // entries, from which on it is trimmed
)

// Apply applies a mutation. Mutations may be applied in any order, and again.
func (n *Node) Apply(m *Mutation, at time.Time) { n.apply(m, at, false) }

func (n *Node) apply(m *Mutation, at time.Time, file bool) {
	n.data.apply(m)
	if len(n.log) >= longLog {
		n.trim(at.Add(-logFor))
	}
	n.log = append(n.log, logged{m, at, file})
}

// trim makes durable what was applied before a time. If that is less than half
// of the log, it leaves the log alone.
func (n *Node) trim(before time.Time) {
	if len(n.log) > 0 && !n.log[len(n.log)/2].at.Before(before) {
		return
	}
	n.settle(before)
}

// settle makes durable what was applied before a time.
func (n *Node) settle(before time.Time) {
	kept := make([]logged, 0, longLog)
	for _, entry := range n.log {
		if entry.at.Before(before) || entry.file {
			n.durable.apply(entry.m)
		} else {
			kept = append(kept, entry)
		}
	}
	n.log = kept
}

// flush makes all durable.
func (n *Node) flush() {
	n.durable, n.log = n.data.clone(), nil
}

// Forget takes back what was applied at or after a time, as kill -9 does with
// what is not in the commit log yet. It can go back a second, and more if the
// node has applied little since. It reports whether there was anything.
func (n *Node) Forget(since time.Time) (forgot bool) {
	n.settle(since)
	forgot = len(n.log) > 0
	n.log = nil
	n.data = n.durable.clone()
	return forgot
}

func (n *Node) clone(c *Cluster) *Node {
	copied := *n
	copied.cluster = c
	copied.data, copied.durable = n.data.clone(), n.durable.clone()
	copied.log = make([]logged, len(n.log))
	for i, entry := range n.log {
		copied.log[i] = logged{entry.m.in(c), entry.at, entry.file}
	}
	return &copied
}

// in returns the mutation for a clone of its cluster.
func (m *Mutation) in(c *Cluster) *Mutation {
	copied := *m
	copied.key = c.keys[m.table.index].all[m.key.number]
	return &copied
}

// store is the partitions of a node: by the table, then by the number of the
// key.
type store [][]*partition

// get returns a partition, or nil.
func (s store) get(t *table, k *partitionKey) *partition {
	if t.index >= len(s) || k.number >= len(s[t.index]) {
		return nil
	}
	return s[t.index][k.number]
}

// keep keeps the partitions of these keys, in their order.
func (s store) keep(t *table, keys []*partitionKey) {
	if t.index >= len(s) {
		return
	}
	of := make([]*partition, len(keys))
	for i, key := range keys {
		of[i] = s.get(t, key)
	}
	s[t.index] = of
}

func (s *store) apply(m *Mutation) {
	for m.table.index >= len(*s) {
		*s = append(*s, nil)
	}
	of := &(*s)[m.table.index]
	for m.key.number >= len(*of) {
		*of = append(*of, nil)
	}
	p := (*of)[m.key.number]
	if p == nil {
		p = &partition{deleted: noDeletion}
		(*of)[m.key.number] = p
	}
	p.apply(m)
}

func (s store) clone() store {
	copied := make(store, len(s))
	for i, partitions := range s {
		copied[i] = slices.Clone(partitions)
		for j, p := range partitions {
			copied[i][j] = p.clone()
		}
	}
	return copied
}
