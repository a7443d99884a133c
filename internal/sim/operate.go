package sim

import (
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

// wait lets time pass, but not so much that the cluster is not repaired within
// gc_grace_seconds, or that a frozen process sends a statement that is older
// than the library allows: see [cassandra.Session.TooOld].
func (w *world) wait(args [3]int) bool {
	d, _ := time.ParseDuration(aTime.name(args[0]))
	if time.Since(w.repaired)+d > gcGrace*8/10 || w.oldest()+d > gcGrace/2 {
		return false
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
	w.loseHintsFor(n)
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
	n.snapshot, n.snapshotted = n.Snapshot(), time.Now()
	return true
}

// restore: a node's disk is what it was at its last snapshot.
func (w *world) restore(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || n.snapshot == nil || time.Since(n.snapshotted) > gcGrace || !w.mayForget(n) {
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

// removeNode: a node leaves the ring, and gives each of its ranges to the node
// that takes its place (nodetool decommission).
func (w *world) removeNode(args [3]int) bool {
	n := w.at(args[0])
	if n == nil || !w.mayForget(n) || w.anyDown() || w.busy() || w.alive(n.DC) <= w.cluster.Replication()[n.DC] {
		return false
	}
	w.cluster.Leave(n.Node, time.Now())
	w.cluster.Cleanup()
	n.gone = true
	w.loseHints(n)
	w.doubtful()
	return true
}

// oldest returns for how long the oldest statement has waited for its turn.
func (w *world) oldest() (age time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.parked {
		age = max(age, time.Since(c.since))
	}
	return age
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
// only after a repair, while nothing is under way, and none are added with a
// horizon that does not bear it: see [cassandra.Config].
func (w *world) setReplicas(args [3]int) bool {
	dc := aCentre.name(args[0])
	replication := w.cluster.Replication()
	before, factor := replication[dc], args[1]
	if factor == before || factor > w.alive(dc) || w.forgotten || factor == 0 && w.serves(dc) {
		return false
	}
	if factor > before && w.horizon < boldest {
		return false
	}
	if factor < before && (w.busy() || !w.fullRepair([3]int{})) {
		return false
	}
	replication[dc] = factor
	w.cluster.SetReplication(replication)
	w.cluster.Cleanup()
	w.replicated = true
	if factor > before {
		w.doubtful()
	}
	return true
}

// boldest is the smallest horizon with which new replicas may lack a fence: a
// delivery may be so old, by the clocks of the nodes, when it is acknowledged.
const boldest = 6 * time.Minute

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
	w.pass(time.Hour) // no try waits for its turn in the background
	w.arriveAll([3]int{})
	if w.busy() || len(w.late) > 0 || !w.fullRepair([3]int{}) {
		return false
	}
	w.pass(gcGrace + 24*time.Hour)
	for _, n := range w.nodes {
		if !n.gone {
			n.Compact(time.Now())
		}
	}
	w.repaired = time.Now()
	return true
}
