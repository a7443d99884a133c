package cluster

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/popcask/popcask/cassandra/cql"
)

// schema is the tables. It is never changed, and clones share it.
type schema struct {
	tables []*table
	plans  sync.Map // of *cql.Statement: its *plan
}

// table is a table.
type table struct {
	index      int // in schema.tables
	name       string
	partition  []column
	clustering []column
	static     []column
	regular    []column
	gcGrace    int64 // seconds
}

type column struct {
	name string
	kind kind
}

func (s *schema) table(name string) *table {
	for _, t := range s.tables {
		if t.name == name {
			return t
		}
	}
	return nil
}

// with returns the schema with a table more, or with another one in its place.
func (s *schema) with(t *table) *schema {
	changed := &schema{tables: slices.Clone(s.tables)}
	if old := s.table(t.name); old != nil {
		t.index = old.index
		changed.tables[t.index] = t
		return changed
	}
	t.index = len(s.tables)
	changed.tables = append(changed.tables, t)
	return changed
}

// place is where in a table a column is.
type place uint8

const (
	inPartition place = iota
	inClustering
	inStatic
	inRow
)

// target is a column of a statement.
type target struct {
	place place
	index int // among the columns of the same place
	column
}

func (t *table) target(name string) (target, error) {
	for p, columns := range [][]column{t.partition, t.clustering, t.static, t.regular} {
		for i, c := range columns {
			if c.name == name {
				return target{place(p), i, c}, nil
			}
		}
	}
	return target{}, fmt.Errorf("cluster: table %s has no column %s", t.name, name)
}

// plan is what a statement does, without its values.
type plan struct {
	st      *cql.Statement
	table   *table
	targets []target // the columns that it reads or writes

	// The columns that it writes or, if replicas differ, repairs, as bits.
	static, regular uint64

	// Of a Select.
	tokens bool // it reads a range of the ring
	whole  bool // it reads whole partitions: no clause on a clustering column
	exact  bool // it reads one row, or some, by their whole keys
	limit  int  // 0: none
}

// plan returns the plan of a statement.
func (s *schema) plan(st *cql.Statement) (*plan, error) {
	if p, ok := s.plans.Load(st); ok {
		return p.(*plan), nil
	}
	p, err := s.newPlan(st)
	if err != nil {
		return nil, err
	}
	s.plans.Store(st, p)
	return p, nil
}

func (s *schema) newPlan(st *cql.Statement) (*plan, error) {
	t := s.table(st.Table.Name)
	if t == nil {
		return nil, fmt.Errorf("cluster: there is no table %s", st.Table.Name)
	}
	if !sameNames(t.partition, st.Table.Partition) || !sameNames(t.clustering, st.Table.Clustering) {
		return nil, fmt.Errorf("cluster: the key of table %s is another one", t.name)
	}
	p := &plan{st: st, table: t, whole: true}
	for _, name := range st.Columns {
		to, err := t.target(name)
		if err != nil {
			return nil, err
		}
		p.targets = append(p.targets, to)
		switch to.place {
		case inStatic:
			p.static |= 1 << to.index
		case inRow:
			p.regular |= 1 << to.index
		}
	}
	if st.Kind != cql.Select {
		return p, p.checkWrite()
	}
	return p, p.readClauses()
}

func sameNames(columns []column, names []string) bool {
	return slices.EqualFunc(columns, names, func(c column, name string) bool { return c.name == name })
}

func (p *plan) checkWrite() error {
	if p.st.Kind == cql.Update && p.regular == 0 && len(p.table.clustering) > 0 {
		return fmt.Errorf("cluster: an update of static columns names a row: %s", p.st)
	}
	for _, to := range p.targets {
		if to.place < inStatic {
			return fmt.Errorf("cluster: a write sets the key column %s: %s", to.name, p.st)
		}
	}
	return nil
}

func (p *plan) readClauses() error {
	named, ranged := 0, false
	for _, c := range p.st.Clauses {
		switch c.Op {
		case cql.OpLimit:
			p.limit = c.Most
		case cql.OpTokenAfter, cql.OpTokenUpTo:
			p.tokens = true
		case cql.OpAtLeast, cql.OpAtMost:
			ranged = true
		default:
			named += len(c.Columns)
		}
	}
	p.whole = p.tokens || named == len(p.table.partition) && !ranged
	p.exact = !p.tokens && !ranged && named == len(p.table.partition)+len(p.table.clustering)
	if !p.whole && p.onlyStatic() {
		return fmt.Errorf("cluster: a clause on a clustering column, and only static columns: %s", p.st)
	}
	if p.static == 0 && p.regular == 0 { // a SELECT of key columns alone reads all
		p.static, p.regular = math.MaxUint64, math.MaxUint64
	}
	if !p.st.Distinct {
		return nil
	}
	for _, to := range p.targets {
		if to.place == inClustering || to.place == inRow {
			return fmt.Errorf("cluster: DISTINCT of the column %s: %s", to.name, p.st)
		}
	}
	if !p.whole {
		return fmt.Errorf("cluster: DISTINCT of some rows of a partition: %s", p.st)
	}
	return nil
}

// onlyStatic reports whether a Select names static columns, and no others but
// those of the partition key.
func (p *plan) onlyStatic() bool {
	for _, to := range p.targets {
		if to.place == inClustering || to.place == inRow {
			return false
		}
	}
	return p.static != 0
}

// columnNames returns the names of all columns, sorted.
func (t *table) columnNames() []string {
	var names []string
	for _, c := range slices.Concat(t.partition, t.clustering, t.static, t.regular) {
		names = append(names, c.name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
