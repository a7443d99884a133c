package cluster

import (
	"github.com/popcask/popcask/cassandra/cql"
)

// merge merges the answers, partition by partition and row by row, until the
// page is full. It repairs what was read so far.
func (r *request) merge() error {
	arrived := true
	for i, key := range r.keys {
		m := merging{request: r, index: i, key: key}
		err := m.run()
		if !m.repair() {
			arrived = false
		}
		if err != nil {
			return err
		}
		if len(r.page.Rows) == r.rows {
			break
		}
	}
	if !arrived {
		return ErrTimeout
	}
	return nil
}

// merging is the merging of one partition.
type merging struct {
	*request
	index   int // of the partition
	key     *partitionKey
	deleted deletion // as merged
	static  *row     // as merged
	rows    int      // of the partition that the page has

	next     [maxReplicas]int  // of each answer: its next row
	versions [maxReplicas]*row // of each answer: what it has of a row
	repairs  []*Mutation
}

func (m *merging) view(i int) *view { return &m.answers[i].views[m.index] }

func (m *merging) run() error {
	m.mergePartition()
	for {
		merged, any, err := m.mergeNext()
		if err != nil {
			return err
		}
		if !any {
			break
		}
		if merged == nil {
			continue
		}
		m.diff(merged)
		if !merged.lives {
			continue
		}
		m.rows++
		m.emit(merged)
		if m.st.Distinct || len(m.page.Rows) == m.Read.rows {
			return nil
		}
	}
	if m.rows == 0 && m.alone(m.key) && livingCells(m.static, m.fetched) {
		m.emit(nil)
	}
	return nil
}

// emit adds a row to the page; nil stands for the one that static columns make.
func (m *merging) emit(r *row) {
	m.page.Rows = append(m.page.Rows, Row{m.plan, m.key, m.static, r})
	m.last = mark{key: m.key.key, all: r == nil || m.st.Distinct || len(m.table.clustering) == 0}
	if r != nil {
		m.last.row = r.key
	}
}

// mergePartition merges the deletions of the partition, and its static columns.
func (m *merging) mergePartition() {
	m.deleted = noDeletion
	for i := range m.answers {
		if d := m.view(i).deleted; d.supersedes(m.deleted) {
			m.deleted = d
		}
	}
	for i := range m.answers {
		m.static = mergeRows(m.static, m.view(i).static, m.deleted)
	}
	for i := range m.answers {
		v := m.view(i)
		if m.deleted.supersedes(v.deleted) {
			m.repairOf(i).deleted = m.deleted
		}
		if m.static == nil || m.static == v.static {
			continue
		}
		if lacks := difference(m.static, v.static, m.plan.static); lacks != nil {
			m.repairOf(i).static = lacks
		}
	}
}

// mergeNext merges the versions of the next row. merged is nil if nothing is
// left of it.
func (m *merging) mergeNext() (merged *row, any bool, err error) {
	key := ""
	for i := range m.answers {
		if m.versions[i] = m.peek(i); m.versions[i] != nil && (!any || m.versions[i].key < key) {
			key, any = m.versions[i].key, true
		}
	}
	if !any {
		return nil, false, nil
	}
	same := true
	for i := range m.answers {
		v := m.versions[i]
		if v == nil || v.key != key {
			m.versions[i], same = nil, false
			continue
		}
		if err := m.take(i, v); err != nil {
			return nil, true, err
		}
		same = same && v == m.versions[0] && m.view(i).deleted == m.deleted
	}
	if same {
		return m.versions[0], true, nil
	}
	for _, v := range m.versions[:len(m.answers)] {
		merged = mergeRows(merged, v, m.deleted)
	}
	return merged, true, nil
}

// peek returns the next row of an answer, without the tombstones that are
// forgotten; nil if there is none.
func (m *merging) peek(i int) *row {
	rows := m.view(i).rows
	for m.next[i] < len(rows) {
		if r := rows[m.next[i]].purged(m.before); r != nil {
			return r
		}
		m.next[i]++
	}
	return nil
}

// take goes past a row of an answer. The tombstones that a replica meets after
// the end of its first answer are counted by themselves.
func (m *merging) take(i int, r *row) error {
	a := &m.answers[i]
	if m.index > a.partition || m.index == a.partition && m.next[i] >= a.row {
		if a.further += m.tombstones(r); a.further > m.cluster.fail {
			return cql.ErrTooManyTombstones
		}
	}
	m.next[i]++
	return nil
}

// diff adds to the repair of each replica what it lacks of a row.
func (m *merging) diff(merged *row) {
	for i := range m.answers {
		if m.versions[i] == merged {
			continue
		}
		if lacks := difference(merged, m.versions[i], m.plan.regular); lacks != nil {
			repair := m.repairOf(i)
			repair.rows = append(repair.rows, lacks)
		}
	}
}

// difference returns what a version of a row lacks: liveness, deletion, and the
// cells of the columns that were asked for. It is nil if it lacks nothing.
func difference(merged, version *row, columns uint64) *row {
	lacks := &row{key: merged.key, live: never, deleted: noDeletion}
	if version == nil || version.live != merged.live {
		lacks.live = merged.live
	}
	if version == nil || version.deleted != merged.deleted {
		lacks.deleted = merged.deleted
	}
	for i, c := range merged.cells {
		if columns>>i&1 == 1 && c.exists() && c != version.cell(i) {
			if lacks.cells == nil {
				lacks.cells = noCells(len(merged.cells))
			}
			lacks.cells[i] = c
		}
	}
	return lacks.finish()
}

func (m *merging) repairOf(i int) *Mutation {
	if m.repairs == nil {
		m.repairs = make([]*Mutation, len(m.answers))
	}
	if m.repairs[i] == nil {
		m.repairs[i] = &Mutation{table: m.table, key: m.key, deleted: noDeletion}
	}
	return m.repairs[i]
}

// repair sends the repairs. It reports whether all arrived.
func (m *merging) repair() bool {
	arrived := true
	for i, repair := range m.repairs {
		if repair == nil {
			continue
		}
		n := m.answers[i].node
		if m.env.send(n) != Arrives {
			arrived = false
			continue
		}
		n.Apply(repair, m.env.Now())
	}
	return arrived
}
