package cluster

import "github.com/popcask/popcask/cassandra/cql"

// view is what one replica has of a partition, of the rows that a read asks
// for.
type view struct {
	deleted deletion
	static  *row
	rows    []*row
	reading *int // how many reads look at rows
}

// answer is what one replica answers.
type answer struct {
	node  *Node
	views []view // of each partition of the read

	// Where the answer ends, since it has as many rows as the page: partition,
	// and the index of the first row that is not in it.
	partition, row int
	further        int // tombstones after that
}

// look takes the answer from what the replica has now.
func (r *request) look(a *answer) {
	a.views = r.viewsOf(len(r.keys))
	for i, key := range r.keys {
		v := &a.views[i]
		p := a.node.data.get(r.table, key)
		if p == nil {
			*v = view{deleted: noDeletion}
			continue
		}
		*v = view{deleted: p.deleted.purged(r.before), static: p.static.purged(r.before), rows: rowsIn(p.rows, r.spansIn(key))}
		if len(v.rows) > 0 && len(r.spans) <= 1 {
			if p.readers == nil {
				p.readers = new(int)
			}
			*p.readers++
			v.reading = p.readers
		}
	}
}

// leave says that the answer is not looked at any more.
func (a *answer) leave() {
	for i := range a.views {
		if n := a.views[i].reading; n != nil {
			*n--
		}
	}
}

// spansIn returns the spans of a partition: in the first one of a page, the
// part after the page before.
func (r *request) spansIn(key *partitionKey) []span {
	if r.key == nil && r.resume != nil && !r.resume.all && key.key == r.resume.key {
		return []span{r.spans[0].after(r.resume.row)}
	}
	return r.spans
}

// measure counts the tombstones that the replica meets until it has as many
// rows as the page, and finds where that is.
func (r *request) measure(a *answer, rows int) error {
	met := 0
	defer func() {
		r.cluster.met.Tombstones += met
		if met > r.cluster.warn {
			r.cluster.warnings++
		}
	}()
	for i := range a.views {
		v := &a.views[i]
		met += deadCells(v.static, r.fetched)
		inPartition := 0
		for j, row := range v.rows {
			if row = row.purged(r.before); row == nil {
				continue
			}
			if met += r.tombstones(row); met > r.cluster.fail {
				return cql.ErrTooManyTombstones
			}
			if !row.lives {
				continue
			}
			inPartition++
			r.cluster.met.Rows++
			if rows--; rows == 0 {
				a.partition, a.row = i, j+1
				return nil
			}
			if r.st.Distinct {
				break
			}
		}
		if met > r.cluster.fail {
			return cql.ErrTooManyTombstones
		}
		if inPartition == 0 && r.alone(r.keys[i]) && livingCells(v.static, r.fetched) {
			if rows--; rows == 0 {
				a.partition, a.row = i, len(v.rows)
				return nil
			}
		}
	}
	a.partition = len(a.views)
	return nil
}

// alone reports whether the static columns of a partition make a row if it has
// no others.
func (r *request) alone(key *partitionKey) bool {
	return r.whole && (r.resume == nil || r.resume.key != key.key)
}

// tombstones returns how many tombstones of a row a read counts. A replica
// leaves out the cells that the row is newer than, unless they were asked for.
func (r *request) tombstones(row *row) int {
	n := row.tombstones
	if n == 0 || row.live == never {
		return n
	}
	for i, c := range row.cells {
		if r.regular>>i&1 == 0 && c.exists() && c.dead() && c.at < row.live {
			n--
		}
	}
	return n
}

func deadCells(r *row, columns uint64) (n int) {
	if r == nil || r.tombstones == 0 {
		return 0
	}
	for i, c := range r.cells {
		if columns>>i&1 == 1 && c.exists() && c.dead() {
			n++
		}
	}
	return n
}

func livingCells(r *row, columns uint64) bool {
	if r == nil || !r.lives {
		return false
	}
	for i, c := range r.cells {
		if columns>>i&1 == 1 && c.exists() && !c.dead() {
			return true
		}
	}
	return false
}
