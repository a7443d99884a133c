package cluster

import "slices"

// row is a row, or the static columns of a partition. It is never changed:
// replicas, snapshots and clones share it.
type row struct {
	key     string // of the clustering columns, encoded; "" for static columns
	live    int64  // timestamp of its INSERT; never if there was none
	deleted deletion
	cells   []cell // one for each column of the table; empty if all are missing

	// Computed by finish.
	lives      bool  // a SELECT returns it
	tombstones int   // that a read of all columns counts
	oldest     int64 // time of deletion of its oldest tombstone; alive: there is none
}

// finish computes what follows from the rest. It returns nil if there is
// nothing in the row.
func (r *row) finish() *row {
	r.lives, r.tombstones, r.oldest = r.live != never, 0, alive
	exists := r.lives || r.deleted.exists()
	for i := range r.cells {
		c := &r.cells[i]
		switch {
		case !c.exists():
			continue
		case c.dead():
			r.tombstones++
			r.oldest = min(r.oldest, c.local)
		default:
			r.lives = true
		}
		exists = true
	}
	if !exists {
		return nil
	}
	if r.deleted.exists() {
		r.oldest = min(r.oldest, r.deleted.local)
		if !r.lives && r.tombstones == 0 {
			r.tombstones = 1
		}
	}
	return r
}

// cell returns the cell of a column.
func (r *row) cell(column int) cell {
	if r == nil || column >= len(r.cells) {
		return noCell
	}
	return r.cells[column]
}

// equal reports whether two rows have the same content.
func (r *row) equal(other *row) bool {
	if r == other {
		return true
	}
	if r == nil || other == nil || r.key != other.key || r.live != other.live || r.deleted != other.deleted {
		return false
	}
	for i := range max(len(r.cells), len(other.cells)) {
		if r.cell(i) != other.cell(i) {
			return false
		}
	}
	return true
}

// mergeRows returns what is left of two rows of one key, either of which may be
// nil, in a partition with this deletion; nil if nothing is. If that is the
// same as a or b, it returns that one.
func mergeRows(a, b *row, d deletion) *row {
	switch {
	case a == b || b == nil:
		return a.under(d)
	case a == nil:
		return b.under(d)
	case a.equal(b):
		return a.under(d)
	}
	merged := row{key: a.key, live: max(a.live, b.live), deleted: a.deleted}
	if b.deleted.supersedes(a.deleted) {
		merged.deleted = b.deleted
	}
	merged.cells = make([]cell, max(len(a.cells), len(b.cells)))
	for i := range merged.cells {
		merged.cells[i] = later(a.cell(i), b.cell(i))
	}
	merged.drop(d)
	switch result := merged.finish(); {
	case result == nil:
		return nil
	case result.equal(a):
		return a
	case result.equal(b):
		return b
	}
	return &merged
}

// drop takes away what the row's own deletion or that of the partition deletes.
func (r *row) drop(d deletion) {
	if r.deleted.supersedes(d) {
		d = r.deleted
	} else {
		r.deleted = noDeletion
	}
	if !d.exists() {
		return
	}
	if d.deletes(r.live) {
		r.live = never
	}
	for i := range r.cells {
		if d.deletes(r.cells[i].at) {
			r.cells[i] = noCell
		}
	}
}

// under returns what is left of a row in a partition with this deletion. It
// returns the row itself if the deletion changes nothing.
func (r *row) under(d deletion) *row {
	if r == nil || !d.exists() || !r.touchedBy(d) {
		return r
	}
	left := &row{key: r.key, live: r.live, deleted: r.deleted, cells: slices.Clone(r.cells)}
	left.drop(d)
	return left.finish()
}

func (r *row) touchedBy(d deletion) bool {
	if d.deletes(r.live) || r.deleted.exists() && !r.deleted.supersedes(d) {
		return true
	}
	for i := range r.cells {
		if d.deletes(r.cells[i].at) {
			return true
		}
	}
	return false
}

// purged returns the row without the tombstones from before a time, in seconds;
// nil if nothing is left.
func (r *row) purged(before int64) *row {
	if r == nil || r.oldest >= before {
		return r
	}
	left := &row{key: r.key, live: r.live, deleted: r.deleted.purged(before), cells: slices.Clone(r.cells)}
	for i := range left.cells {
		if left.cells[i].local < before {
			left.cells[i] = noCell
		}
	}
	return left.finish()
}
