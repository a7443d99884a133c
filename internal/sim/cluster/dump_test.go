package cluster

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Dump returns all rows of a table as the union of all replicas has them, a
// line for each, in the order of the ring.
func (c *Cluster) Dump(table string) []string {
	return c.dump(table, c.replicasOf)
}

// Dump returns all rows that a node has of a table, a line for each, in the
// order of the ring.
func (n *Node) Dump(table string) []string {
	return n.cluster.dump(table, func(*partitionKey) []*Node { return []*Node{n} })
}

func (c *Cluster) dump(name string, nodes func(*partitionKey) []*Node) (lines []string) {
	t := c.schema.table(name)
	if t == nil {
		return nil
	}
	for _, key := range c.keys[t.index].inOrder() {
		union := &partition{deleted: noDeletion}
		for _, n := range nodes(key) {
			if p := n.data.get(t, key); p != nil {
				union.apply(p.content(t, key))
			}
		}
		lines = append(lines, union.lines(t, key)...)
	}
	return lines
}

// lines shows a partition. Each value is followed by its timestamp.
func (p *partition) lines(t *table, key *partitionKey) (lines []string) {
	var of []string
	for i, c := range t.partition {
		of = append(of, c.name+"="+c.kind.format(key.parts[i]))
	}
	head := t.name + " " + strings.Join(of, " ")
	if p.deleted.exists() {
		lines = append(lines, fmt.Sprintf("%s: deleted @%d", head, p.deleted.at))
	}
	if p.static != nil {
		lines = append(lines, head+": static"+p.static.line(t.static))
	}
	for _, r := range p.rows {
		line, rest := head, r.key
		for _, c := range t.clustering {
			var value string
			value, rest = c.kind.decode(rest)
			line += " " + c.name + "=" + c.kind.format(value)
		}
		lines = append(lines, line+":"+r.line(t.regular))
	}
	return lines
}

func (r *row) line(columns []column) string {
	var b strings.Builder
	if r.live != never {
		fmt.Fprintf(&b, " live @%d", r.live)
	}
	if r.deleted.exists() {
		fmt.Fprintf(&b, " deleted @%d", r.deleted.at)
	}
	for i, c := range columns {
		switch cell := r.cell(i); {
		case !cell.exists():
		case cell.dead():
			fmt.Fprintf(&b, " %s deleted @%d", c.name, cell.at)
		default:
			fmt.Fprintf(&b, " %s=%s @%d", c.name, c.kind.format(cell.value), cell.at)
		}
	}
	return b.String()
}

// format shows a serialised value.
func (k kind) format(value string) string {
	switch {
	case (k == kindUUID || k == kindTimeUUID) && len(value) == 16:
		return fmt.Sprintf("%x-%x-%x-%x-%x", value[:4], value[4:6], value[6:8], value[8:10], value[10:])
	case k == kindBigint && len(value) == 8:
		return fmt.Sprint(int64(binary.BigEndian.Uint64([]byte(value))))
	case k == kindInt && len(value) == 4:
		return fmt.Sprint(k.number(value))
	case k == kindBoolean && len(value) == 1:
		return fmt.Sprint(value != "\x00")
	case k == kindText:
		return fmt.Sprintf("%q", value)
	case len(value) > 32:
		return fmt.Sprintf("0x%x... (%d octets)", value[:16], len(value))
	}
	return fmt.Sprintf("0x%x", value)
}
