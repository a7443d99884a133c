package cluster

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// Mutation is what one replica applies as a whole: writes to one partition.
type Mutation struct {
	table   *table
	key     *partitionKey
	deleted deletion
	static  *row
	rows    []*row // sorted by key, each key once

	last lastMerge
}

// lastMerge is how a mutation changed a row last. The replicas of a partition
// mostly have the same, and share the result.
type lastMerge struct {
	old, row, merged *row
	deleted          deletion // of the partition
}

// merge merges a row of the mutation with that of a partition.
func (m *Mutation) merge(old, r *row, d deletion) *row {
	if l := &m.last; l.old != old || l.row != r || l.deleted != d {
		*l = lastMerge{old, r, mergeRows(old, r, d), d}
	}
	return m.last.merged
}

// Mutation makes a mutation of writes, which must all be to one partition. now
// is the time of deletion that the tombstones get, in seconds.
func (c *Cluster) Mutation(writes []cql.Write, now time.Time) (*Mutation, error) {
	if len(writes) == 0 {
		return nil, errors.New("cluster: a mutation of no writes")
	}
	m := &Mutation{deleted: noDeletion}
	for _, w := range writes {
		p, err := c.schema.plan(w.Statement)
		if err != nil {
			return nil, err
		}
		b := binding{plan: p, timestamp: w.Timestamp, local: now.Unix()}
		if err := b.take(w.Values); err != nil {
			return nil, fmt.Errorf("%w: %s", err, w.Statement)
		}
		key := c.keys[p.table.index].get(p.table, b.key)
		if m.key != nil && (m.key != key || m.table != p.table) {
			return nil, fmt.Errorf("cluster: a mutation of two partitions: %s", w.Statement)
		}
		m.table, m.key = p.table, key
		b.addTo(m)
	}
	return m, nil
}

// binding is a write with its values.
type binding struct {
	*plan
	timestamp int64
	local     int64
	key       []byte // of the partition
	row       string // key of the row
	noRow     bool   // it has no values for the clustering columns
	cells     []cell // one for each target
}

var errCount = errors.New("cluster: the number of values is wrong")

// take reads the values. Those of the key come first, or last in an UPDATE. The
// statement of [cql.Table.InsertStatic] has none for the clustering columns.
func (b *binding) take(values []any) error {
	t, columns := b.table, len(b.targets)
	key := len(t.partition) + len(t.clustering)
	static := b.st.Kind == cql.Insert && b.regular == 0 && len(t.clustering) > 0 && len(values) == len(t.partition)+columns
	switch {
	case b.st.Kind == cql.Select:
		return errors.New("cluster: a read in a mutation")
	case b.st.Kind == cql.DeletePartition, static:
		key = len(t.partition)
		b.noRow = true
	}
	if len(values) != key+columns {
		return errCount
	}
	set := values[key:]
	if b.st.Kind == cql.Update {
		set, values = values[:columns], values[columns:]
	}
	if err := b.takeKey(values[:key]); err != nil {
		return err
	}
	return b.takeCells(set)
}

func (b *binding) takeKey(values []any) error {
	t := b.table
	buffer := make([]byte, 0, 64)
	for i, c := range t.partition {
		var present bool
		var err error
		if buffer, present, err = appendPart(buffer, t, c.kind, values[i]); err != nil {
			return err
		}
		if !present || len(buffer) == 0 {
			return fmt.Errorf("cluster: the key column %s is null or empty", c.name)
		}
	}
	b.key = buffer
	if b.noRow {
		return nil
	}
	key, err := encodeClustering(t, values[len(t.partition):])
	b.row = key
	return err
}

// encodeClustering returns the key of a row, or its beginning if there are
// fewer values than clustering columns.
func encodeClustering(t *table, values []any) (string, error) {
	key := make([]byte, 0, 64)
	var scratch [32]byte
	for i, value := range values {
		c := t.clustering[i]
		octets, present, err := c.kind.serialise(scratch[:0], value)
		if err != nil {
			return "", err
		}
		if !present {
			return "", fmt.Errorf("cluster: the key column %s is null", c.name)
		}
		key = c.kind.encode(key, string(octets))
	}
	return string(key), nil
}

// takeCells serialises the values of the columns, into one string.
func (b *binding) takeCells(values []any) error {
	if len(values) == 0 {
		return nil
	}
	b.cells = make([]cell, len(values))
	buffer := make([]byte, 0, 64)
	for i, value := range values {
		from := len(buffer)
		octets, present, err := b.targets[i].kind.serialise(buffer, value)
		if err != nil {
			return err
		}
		buffer = octets
		b.cells[i] = cell{at: b.timestamp, local: alive}
		if !present {
			b.cells[i].local = b.local
		}
		b.cells[i].value = string(buffer[from:])
	}
	return nil
}

// addTo adds the write to a mutation.
func (b *binding) addTo(m *Mutation) {
	d := deletion{at: b.timestamp, local: b.local}
	switch {
	case b.st.Kind == cql.DeletePartition, b.st.Kind == cql.Delete && len(b.table.clustering) == 0:
		if d.supersedes(m.deleted) {
			m.deleted = d
		}
		return
	case b.st.Kind == cql.Delete:
		m.add(&row{key: b.row, live: never, deleted: d})
		return
	}
	if b.plan.static != 0 {
		m.static = mergeRows(m.static, b.rowOf(inStatic, len(b.table.static)), noDeletion)
	}
	if b.noRow {
		return
	}
	r := b.rowOf(inRow, len(b.table.regular))
	if r.key = b.row; b.st.Kind == cql.Insert {
		r.live = b.timestamp
	}
	m.add(r)
}

// rowOf returns a row with the cells of one place.
func (b *binding) rowOf(where place, columns int) *row {
	r := &row{live: never, deleted: noDeletion}
	for i, to := range b.targets {
		if to.place != where {
			continue
		}
		if r.cells == nil {
			r.cells = noCells(columns)
		}
		r.cells[to.index] = b.cells[i]
	}
	r.finish()
	return r
}

func noCells(n int) []cell {
	cells := make([]cell, n)
	for i := range cells {
		cells[i] = noCell
	}
	return cells
}

// add adds a row, or merges it with the one of the same key.
func (m *Mutation) add(r *row) {
	if r = r.finish(); r == nil {
		return
	}
	i := search(m.rows, r.key)
	if i < len(m.rows) && m.rows[i].key == r.key {
		m.rows[i] = mergeRows(m.rows[i], r, noDeletion)
		return
	}
	m.rows = slices.Insert(m.rows, i, r)
}
