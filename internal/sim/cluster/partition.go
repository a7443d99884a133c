package cluster

import (
	"slices"
	"sort"
)

// partition is what one node has of a partition.
type partition struct {
	deleted deletion
	static  *row   // nil if there is none
	rows    []*row // sorted by key

	readers *int // the number of reads that look at rows, which is not changed then
}

func (p *partition) empty() bool {
	return !p.deleted.exists() && p.static == nil && len(p.rows) == 0
}

func (p *partition) clone() *partition {
	if p == nil {
		return nil
	}
	return &partition{deleted: p.deleted, static: p.static, rows: slices.Clone(p.rows)}
}

// search returns the index of the first row whose key is at least this one.
func search(rows []*row, key string) int {
	if n := len(rows); n == 0 || rows[n-1].key < key {
		return n
	}
	return sort.Search(len(rows), func(i int) bool { return rows[i].key >= key })
}

// apply merges a mutation into the partition.
func (p *partition) apply(m *Mutation) {
	if p.readers != nil && *p.readers > 0 {
		p.rows, p.readers = slices.Clone(p.rows), nil
	}
	if m.deleted.supersedes(p.deleted) {
		p.deleted = m.deleted
		p.static = p.static.under(p.deleted)
		p.dropRows()
	}
	if m.static != nil {
		p.static = m.merge(p.static, m.static, p.deleted)
	}
	for _, r := range m.rows {
		p.applyRow(m, r)
	}
}

// dropRows takes away what the deletion of the partition deletes.
func (p *partition) dropRows() {
	kept := p.rows[:0]
	for _, r := range p.rows {
		if r = r.under(p.deleted); r != nil {
			kept = append(kept, r)
		}
	}
	clear(p.rows[len(kept):])
	p.rows = kept
}

func (p *partition) applyRow(m *Mutation, r *row) {
	i := search(p.rows, r.key)
	if i == len(p.rows) || p.rows[i].key != r.key {
		if r = r.under(p.deleted); r != nil {
			p.rows = slices.Insert(p.rows, i, r)
		}
		return
	}
	merged := m.merge(p.rows[i], r, p.deleted)
	if merged == nil {
		p.rows = slices.Delete(p.rows, i, i+1)
		return
	}
	p.rows[i] = merged
}

// content returns all that is in the partition, as a mutation.
func (p *partition) content(t *table, k *partitionKey) *Mutation {
	return &Mutation{table: t, key: k, deleted: p.deleted, static: p.static, rows: slices.Clone(p.rows)}
}

// compact forgets the tombstones from before a time, in seconds.
func (p *partition) compact(before int64) {
	p.deleted = p.deleted.purged(before)
	p.static = p.static.purged(before)
	kept := make([]*row, 0, len(p.rows))
	for _, r := range p.rows {
		if r = r.purged(before); r != nil {
			kept = append(kept, r)
		}
	}
	p.rows, p.readers = kept, nil
}
