package model

// bucketRow is what a replica has of a bucket's row: a value with its timestamp
// for each cell, and the timestamp of the row's deletion. Of two versions of a
// row the larger timestamp wins, cell by cell. A write about the row is such a
// version, too: with the cells that it writes.
type bucketRow struct {
	opened  int8 // the value, and the timestamp
	sealAt  int8 // the timestamp of the seal, which is the end of its prover
	sealOf  int8 // the `opened` that the seal names
	list    set  // the messages on its list
	deleted int8
}

// merge returns what two replicas have together.
func (r bucketRow) merge(other bucketRow) bucketRow {
	if other.sealAt > r.sealAt || other.sealAt == r.sealAt && other.larger(r) {
		r.sealAt, r.sealOf, r.list = other.sealAt, other.sealOf, other.list
	}
	r.opened = max(r.opened, other.opened)
	r.deleted = max(r.deleted, other.deleted)
	return r
}

// larger reports whether the value of the seal is larger, which decides at
// equal timestamps.
func (r bucketRow) larger(than bucketRow) bool {
	return r.sealOf > than.sealOf || r.sealOf == than.sealOf && r.list > than.list
}

// visible returns the row without what its deletion covers.
func (r bucketRow) visible() bucketRow {
	if r.opened <= r.deleted {
		r.opened = 0
	}
	if r.sealAt <= r.deleted {
		r.sealAt, r.sealOf, r.list = 0, 0, 0
	}
	return r
}

// exists reports whether a visible row is there.
func (r bucketRow) exists() bool { return r.opened != 0 || r.sealAt != 0 }

// sealed reports whether the seal of a visible row counts.
func (r bucketRow) sealed() bool { return r.sealAt != 0 && r.sealOf == r.opened }

// lists reports whether a session that reads this lists a message in the sealed
// part.
func (r bucketRow) lists(message int) bool {
	r = r.visible()
	return r.exists() && (!r.sealed() || r.list.has(message))
}

// rowWrite is a write about the row.
type rowWrite struct {
	row     bucketRow
	arrived set // the replicas that got it, and acknowledged it
}

// key returns a number that no other row has.
func (r bucketRow) key() uint64 {
	return uint64(r.opened)<<18 | uint64(r.sealAt)<<12 | uint64(r.sealOf)<<6 | uint64(r.list)<<4 | uint64(r.deleted)
}
