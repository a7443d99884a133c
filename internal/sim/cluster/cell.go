package cluster

import "math"

// never is the timestamp of what was never written. alive is the time of
// deletion of what is not deleted.
const (
	never = math.MinInt64
	alive = math.MaxInt64
)

// cell is a value of a column, or the tombstone of one.
type cell struct {
	at    int64 // timestamp, in microseconds; never: there is no cell
	local int64 // time of deletion, in seconds; alive: it is a value
	value string
}

var noCell = cell{at: never, local: alive}

func (c cell) exists() bool { return c.at != never }
func (c cell) dead() bool   { return c.local != alive }

// later returns the cell that wins. At equal timestamps a tombstone does, else
// the larger value, octet by octet.
func later(a, b cell) cell {
	if a.at != b.at {
		if a.at > b.at {
			return a
		}
		return b
	}
	if a.dead() != b.dead() {
		if a.dead() {
			return a
		}
		return b
	}
	if a.dead() && a.local != b.local {
		if a.local > b.local {
			return a
		}
		return b
	}
	if a.value >= b.value {
		return a
	}
	return b
}

// deletion is the tombstone of a row or of a partition.
type deletion struct {
	at    int64 // timestamp, in microseconds; never: it is not deleted
	local int64 // time of deletion, in seconds
}

var noDeletion = deletion{at: never, local: alive}

func (d deletion) exists() bool { return d.at != never }

// deletes reports whether it deletes what has this timestamp.
func (d deletion) deletes(at int64) bool { return at <= d.at && at != never }

// supersedes reports whether it takes the place of another deletion.
func (d deletion) supersedes(other deletion) bool {
	return d.at > other.at || d.at == other.at && d.exists() && d.local > other.local
}

// purged returns the deletion as a read sees it that forgets tombstones from
// before a time, in seconds.
func (d deletion) purged(before int64) deletion {
	if d.exists() && d.local < before {
		return noDeletion
	}
	return d
}
