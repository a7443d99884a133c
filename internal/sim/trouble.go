package sim

import "time"

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
	if n.Forget(time.Now().Add(-100 * time.Millisecond)) {
		w.doubtful()
	}
	w.loseHints(n)
	return true
}

// mayForget reports whether the promises bear that a node forgets: one replica
// of each message may, and only until the cluster is repaired.
func (w *world) mayForget(n *node) bool {
	return !w.forgotten && w.cluster.Replication()[n.DC] >= 3
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

func (w *world) cutLink([3]int) bool {
	if w.cut || len(w.cluster.Replication()) < 2 {
		return false
	}
	w.cut, w.cutSince = true, time.Now()
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
