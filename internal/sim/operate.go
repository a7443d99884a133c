package sim

import (
	"slices"
	"time"

	"github.com/popcask/popcask/internal/sim/cluster"
)

// at returns a node of the cluster, or nil.
func (w *world) at(number int) *node {
	if number >= len(w.nodes) || w.nodes[number].gone {
		return nil
	}
	return w.nodes[number]
}

// downNode: a node does not answer any more, and forgets nothing.
func (w *world) downNode(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || n.down {
		return false
	}
	n.down, n.since = true, time.Now()
	return true
}

// upNode: it answers again, and hints for it arrive.
func (w *world) upNode(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || !n.down {
		return false
	}
	n.down = false
	w.arriveTo(n)
	return true
}

// killNode: a node is killed (-9). It forgets what it acknowledged in the last
// 100 ms, which its commit log had not written yet.
func (w *world) killNode(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || n.down || !w.mayForget(n) {
		return false
	}
	n.down, n.since = true, time.Now()
	n.Forget(time.Now().Add(-100 * time.Millisecond))
	w.loseHints(n)
	w.doubtful()
	return true
}

// mayForget reports whether the promises bear that a node forgets: one replica
// of each message may, and only until the cluster is repaired.
func (w *world) mayForget(n *node) bool {
	return !w.forgotten && w.cluster.Replication()[n.DC] >= 3
}

// loseHints: the hints that a node kept for others are gone.
func (w *world) loseHints(n *node) {
	kept := w.late[:0]
	for _, l := range w.late {
		if l.from != n {
			kept = append(kept, l)
		}
	}
	w.late = kept
}

func (w *world) overload(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || n.overloaded {
		return false
	}
	n.overloaded = true
	return true
}

func (w *world) calm(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || !n.overloaded {
		return false
	}
	n.overloaded = false
	w.arriveTo(n)
	return true
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

// arriveTo: what is on its way to a node arrives.
func (w *world) arriveTo(n *node) {
	kept := w.late[:0]
	for _, l := range w.late {
		if l.to != n || !w.arrives(l) {
			kept = append(kept, l)
		}
	}
	w.late = kept
}

// arrives lets a late mutation arrive, if it can.
func (w *world) arrives(l late) bool {
	if l.to.gone {
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
		w.late = append(w.late[:i], w.late[i+1:]...)
	}
}

func (w *world) arriveAll([3]int) bool {
	before := len(w.late)
	for _, n := range w.nodes {
		w.arriveTo(n)
	}
	return len(w.late) < before
}

func (w *world) cutLink([3]int) bool {
	if w.cut || len(w.cluster.Replication()) < 2 {
		return false
	}
	w.cut = true
	return true
}

func (w *world) mendLink([3]int) bool {
	if !w.cut {
		return false
	}
	w.cut = false
	w.arriveAll([3]int{})
	return true
}

func (w *world) wait(args [3]int) bool {
	d, _ := time.ParseDuration(aTime.name(args[0]))
	if time.Since(w.repaired)+d > gcGrace*8/10 {
		return false // the operator repairs in time
	}
	w.pass(d)
	return true
}

// gcGrace is gc_grace_seconds of all tables.
const gcGrace = 864_000 * time.Second

// replaceNode: a node's disk is lost. A new one in its place gets the data of
// each range from one source.
func (w *world) replaceNode(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || !w.mayForget(n) {
		return false
	}
	n.Wipe()
	w.loseHints(n)
	n.down, n.overloaded = false, false
	w.stream(n, args[1])
	w.doubtful()
	return true
}

// stream gives a node its data, from one source for each range: the node of a
// number if it has the range and answers, else the next one that does.
func (w *world) stream(n *node, preferred int) {
	w.cluster.Stream(n.Node, func(_ int64, candidates []*cluster.Node) *cluster.Node {
		var source *cluster.Node
		for _, candidate := range candidates {
			from := w.node(candidate)
			if from.down || from.gone || w.cut && from.DC != n.DC {
				continue
			}
			if source == nil || from.number == preferred {
				source = candidate
			}
		}
		return source
	}, time.Now())
}

func (w *world) snapshot(args [3]int) bool {
	n := w.at(args[0])
	if n == nil {
		return false
	}
	n.snapshot = n.Snapshot()
	return true
}

// restore: a node's disk is what it was at its last snapshot.
func (w *world) restore(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || n.snapshot == nil || !w.mayForget(n) {
		return false
	}
	n.Restore(n.snapshot)
	w.loseHints(n)
	n.down = false
	w.doubtful()
	return true
}

// addNode: a data centre gets another node, which takes ranges over from
// others.
func (w *world) addNode(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || len(w.nodes) >= len(aNode.names) || !w.mayForget(n) || w.anyDown() || w.busy() {
		return false
	}
	added := &node{Node: w.cluster.Add(n.DC), number: len(w.nodes)}
	w.nodes = append(w.nodes, added)
	w.stream(added, args[0])
	w.cluster.Cleanup()
	w.doubtful()
	return true
}

// removeNode: a node leaves the ring (nodetool decommission). The replicas that
// take its ranges over get them from one source.
func (w *world) removeNode(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || !w.mayForget(n) || w.anyDown() || w.busy() || w.alive(n.DC) <= w.cluster.Replication()[n.DC] {
		return false
	}
	before := n.Snapshot()
	w.cluster.Remove(n.Node)
	n.gone = true
	w.loseHints(n)
	for _, other := range w.nodes { // it streams what it has to those that follow it
		if !other.gone && other.DC == n.DC {
			other.Load(before, time.Now())
		}
	}
	w.doubtful()
	return true
}

// busy lets what is under way come to its end, and reports whether something
// stays: a statement could be acknowledged by nodes that are no replicas any
// more.
func (w *world) busy() bool {
	w.run(w.finished)
	w.drain()
	return !w.finished() || w.settle() > 0
}

func (w *world) anyDown() bool {
	for _, n := range w.nodes {
		if n.down && !n.gone {
			return true
		}
	}
	return false
}

func (w *world) alive(dc string) (alive int) {
	for _, n := range w.nodes {
		if n.DC == dc && !n.gone {
			alive++
		}
	}
	return alive
}

// setReplicas changes the replicas of a data centre (ALTER KEYSPACE). New
// replicas know nothing until the cluster is repaired. Replicas are taken away
// only after a repair, while nothing is under way.
func (w *world) setReplicas(args [3]int) bool {
	dc := aCentre.name(args[0])
	replication := w.cluster.Replication()
	before, factor := replication[dc], args[1]
	if factor == before || factor > w.alive(dc) || w.forgotten || factor == 0 && w.serves(dc) {
		return false
	}
	if factor < before && (w.busy() || !w.fullRepair([3]int{})) {
		return false
	}
	replication[dc] = factor
	w.cluster.SetReplication(replication)
	w.cluster.Cleanup()
	w.doubtful()
	return true
}

// serves reports whether a host is in a data centre.
func (w *world) serves(dc string) bool {
	for _, h := range w.hosts {
		if h.dc == dc {
			return true
		}
	}
	return false
}

// rebuild gives a node what one source for each range has (nodetool rebuild), as
// after a change of the replication. It keeps what it has.
func (w *world) rebuild(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || n.down {
		return false
	}
	w.stream(n, args[1])
	return true
}

// fullRepair is nodetool repair -full of everything, which needs all nodes.
func (w *world) fullRepair([3]int) bool {
	if w.anyDown() || w.cut {
		return false
	}
	if err := w.cluster.Repair(time.Now()); err != nil {
		return false
	}
	w.certain()
	return true
}

func (w *world) compact(args [3]int) bool {
	n := w.at(args[0])
	if n == nil {
		return false
	}
	n.Compact(time.Now())
	return true
}

// decade: the operator repairs, eleven days pass, and tombstones go.
func (w *world) decade([3]int) bool {
	if w.busy() {
		return false
	}
	w.arriveAll([3]int{})
	if len(w.late) > 0 || !w.fullRepair([3]int{}) {
		return false
	}
	w.pass(gcGrace + 24*time.Hour)
	for _, n := range w.nodes {
		if !n.gone {
			n.Compact(time.Now())
		}
		n.snapshot = nil // too old to be restored
	}
	w.repaired = time.Now()
	return true
}
