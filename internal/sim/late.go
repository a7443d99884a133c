package sim

import (
	"slices"
	"time"

	"github.com/popcask/popcask/internal/sim/cluster"
)

// late is a mutation on its way to a node: slow, or a hint.
type late struct {
	to       *node
	from     *node // the coordinator, which keeps it if it is a hint
	mutation *cluster.Mutation
	hint     bool
	since    time.Time
}

// A message is late for some minutes at most: then the node that it comes to
// drops it. A hint is dropped when it is older than gc_grace_seconds.
const lateFor = 10 * time.Minute

func (l late) isDropped() bool {
	age := time.Since(l.since)
	return age > gcGrace || !l.hint && age > lateFor
}

func (w *world) setHints(args [3]int) bool {
	on := args[0] == 1
	if w.hints == on {
		return false
	}
	if w.hints = on; !on { // nodetool disablehandoff, and truncatehints
		for _, n := range w.nodes {
			w.loseHints(n)
		}
	}
	return true
}

// loseHints: the hints that a node kept for others are gone.
func (w *world) loseHints(n *node) {
	w.late = slices.DeleteFunc(w.late, func(l late) bool { return l.from == n })
}

// loseHintsFor: the hints for a node are gone, since another one takes its
// place.
func (w *world) loseHintsFor(n *node) {
	w.late = slices.DeleteFunc(w.late, func(l late) bool { return l.to == n && l.hint })
}

// arriveTo: what is on its way to a node arrives.
func (w *world) arriveTo(n *node) {
	w.late = slices.DeleteFunc(w.late, func(l late) bool { return l.to == n && w.arrives(l) })
}

// arrives lets a late mutation arrive, if it can.
func (w *world) arrives(l late) bool {
	if l.to.gone || l.isDropped() {
		return true
	}
	if l.to.down || l.to.overloaded || l.hint && l.from.down || w.cut && l.from != nil && l.from.DC != l.to.DC {
		return false
	}
	if !slices.Contains(w.cluster.Replicas(l.mutation), l.to.Node) {
		return true // no replica any more
	}
	l.to.Apply(l.mutation, time.Now())
	return true
}

// arriveOne lets one late mutation arrive, which the chance chooses.
func (w *world) arriveOne() {
	if len(w.late) == 0 {
		return
	}
	i := w.chance.below(len(w.late))
	if l := w.late[i]; w.arrives(l) {
		w.note("a write arrives at %s", l.to.Name)
		w.late = slices.Delete(w.late, i, i+1)
	}
}

func (w *world) arriveAll([3]int) bool {
	before := len(w.late)
	for _, n := range w.nodes {
		w.arriveTo(n)
	}
	return len(w.late) < before
}
