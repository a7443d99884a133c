package cluster

import "slices"

// Holds returns the tables in which a node has a live row of a time-based UUID,
// as bits in the order in which the tables were defined: as the key of a
// partition, or as that of a row.
func (n *Node) Holds(id [16]byte) (tables int) {
	key := string(kindTimeUUID.encode(nil, string(id[:])))
	for _, t := range n.cluster.schema.tables {
		if t.index >= len(n.data) {
			continue
		}
		has := false
		switch {
		case len(t.partition) == 1 && t.partition[0].kind == kindTimeUUID:
			keys := n.cluster.keys[t.index]
			if number, ok := keys.numbers[string(id[:])]; ok && number < len(n.data[t.index]) {
				p := n.data[t.index][number]
				has = p != nil && slices.ContainsFunc(p.rows, func(r *row) bool { return r.lives })
			}
		case len(t.clustering) == 1 && t.clustering[0].kind == kindTimeUUID:
			has = slices.ContainsFunc(n.data[t.index], func(p *partition) bool { return p != nil && p.hasRow(key) })
		}
		if has {
			tables |= 1 << t.index
		}
	}
	return tables
}

// hasRow reports whether the partition has a live row with the key.
func (p *partition) hasRow(key string) bool {
	i := search(p.rows, key)
	return i < len(p.rows) && p.rows[i].key == key && p.rows[i].lives
}
