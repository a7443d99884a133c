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

// Value returns the serialised value that a node has of a column, "" if it has
// none. The key is that of the partition, and that of the row.
func (n *Node) Value(table, column string, key ...any) string {
	t := n.cluster.schema.table(table)
	to, err := t.target(column)
	if err != nil || t.index >= len(n.data) {
		return ""
	}
	var octets []byte
	for i, c := range t.partition {
		octets, _, _ = appendPart(octets, t, c.kind, key[i])
	}
	number, ok := n.cluster.keys[t.index].numbers[string(octets)]
	row, _ := encodeClustering(t, key[len(t.partition):])
	if !ok || number >= len(n.data[t.index]) || n.data[t.index][number] == nil {
		return ""
	}
	rows := n.data[t.index][number].rows
	if i := search(rows, row); i < len(rows) && rows[i].key == row {
		value, _ := rows[i].value(to.index)
		return value
	}
	return ""
}

// hasRow reports whether the partition has a live row with the key.
func (p *partition) hasRow(key string) bool {
	i := search(p.rows, key)
	return i < len(p.rows) && p.rows[i].key == key && p.rows[i].lives
}

// Largest returns the rows of the node's largest partition of a table, with
// those that are tombstones, and the octets of its keys and values.
func (n *Node) Largest(table string) (rows, octets int) {
	t := n.cluster.schema.table(table)
	if t.index >= len(n.data) {
		return 0, 0
	}
	for _, p := range n.data[t.index] {
		if p == nil {
			continue
		}
		if size := p.octets(); size > octets {
			rows, octets = len(p.rows), size
		}
	}
	return rows, octets
}

func (p *partition) octets() (n int) {
	for _, r := range p.rows {
		n += len(r.key)
		for _, c := range r.cells {
			n += len(c.value)
		}
	}
	return n
}
