package cluster

import "fmt"

// Row is a row of a page. It implements [cql.Row].
type Row struct {
	plan   *plan
	key    *partitionKey
	static *row // nil if there is none
	row    *row // nil if the partition has static columns only
}

// Scan copies the columns into pointers, as [cql.Row] says.
func (r Row) Scan(columns ...any) error {
	if len(columns) != len(r.plan.targets) {
		return fmt.Errorf("cluster: a row has %d columns, and is scanned into %d", len(r.plan.targets), len(columns))
	}
	for i, to := range columns {
		target := &r.plan.targets[i]
		value, null := r.column(target)
		if err := target.kind.scan(value, null, to); err != nil {
			return fmt.Errorf("column %s: %w", target.name, err)
		}
	}
	return nil
}

// column returns the serialised value of a column.
func (r Row) column(to *target) (value string, null bool) {
	switch to.place {
	case inPartition:
		return r.key.parts[to.index], false
	case inClustering:
		if r.row == nil {
			return "", true
		}
		return r.clustering(to.index), false
	case inStatic:
		return r.static.value(to.index)
	default:
		return r.row.value(to.index)
	}
}

func (r Row) clustering(index int) (value string) {
	rest := r.row.key
	for i := range index + 1 {
		value, rest = r.plan.table.clustering[i].kind.decode(rest)
	}
	return value
}

func (r *row) value(column int) (value string, null bool) {
	c := r.cell(column)
	if !c.exists() || c.dead() {
		return "", true
	}
	return c.value, false
}
