package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/popcask/popcask/internal/faults"
)

// doubt is a time from when a replica forgot something, or was new, until the
// cluster was repaired. Meanwhile a quorum may miss what it has acknowledged.
type doubt struct{ from, to time.Time }

// doubtful begins such a time.
func (w *world) doubtful() {
	if !w.forgotten {
		w.doubts = append(w.doubts, doubt{from: time.Now()})
	}
	w.forgotten = true
}

// certain ends it.
func (w *world) certain() {
	if w.forgotten {
		w.doubts[len(w.doubts)-1].to = time.Now()
	}
	w.forgotten, w.repaired = false, time.Now()
}

// doubtOf returns when the last doubt began in which an operation was under way;
// ok is false if there was none.
func (w *world) doubtOf(op *faults.Op) (since time.Time, ok bool) {
	for _, d := range slices.Backward(w.doubts) {
		if (d.to.IsZero() || !op.Call.After(d.to)) && (op.Return.IsZero() || !op.Return.Before(d.from)) {
			return d.from, true
		}
	}
	return time.Time{}, false
}

// excused returns the operations as the checker may see them. A listing in a
// time of doubt may miss what was acknowledged before, and may have what was
// removed before: it is put right. If it is not known whether a message of the
// mailbox is there, the listing is left out.
func (w *world) excused() (ops []faults.Op) {
	for _, op := range w.ops {
		if op.Kind == faults.List && op.Outcome == faults.OK && !op.Final {
			if since, ok := w.doubtOf(&op); ok && !w.putRight(&op, since) {
				continue
			}
		}
		ops = append(ops, op)
	}
	return ops
}

// putRight changes a listing into what it would have been without the doubt,
// and reports whether that is known.
func (w *world) putRight(list *faults.Op, since time.Time) bool {
	delivered, removed := make(map[string]faults.Message), make(map[string]bool)
	for _, op := range w.ops {
		if op.User != list.User || !op.Call.Before(list.Return) {
			continue
		}
		changes := op.Kind == faults.Deliver || op.Kind == faults.Remove
		switch {
		case changes && (op.Outcome != faults.OK || op.Return.After(list.Call)):
			return false
		case op.Kind == faults.Deliver && op.Call.Before(since):
			delivered[op.Message.ID] = op.Message
		case op.Kind == faults.Remove:
			for _, m := range op.Removed {
				removed[m.ID] = true
			}
		}
	}
	list.Listed = slices.DeleteFunc(slices.Clone(list.Listed), func(m faults.Message) bool {
		_, old := delivered[m.ID]
		return old && removed[m.ID]
	})
	for _, id := range slices.Sorted(maps.Keys(delivered)) {
		isListed := slices.ContainsFunc(list.Listed, func(m faults.Message) bool { return m.ID == id })
		if !removed[id] && !isListed {
			list.Listed = append(list.Listed, delivered[id])
		}
	}
	return true
}
