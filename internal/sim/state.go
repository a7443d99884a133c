package sim

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/faults"
)

// State is something that can be said of a data centre and a message, as a
// number: which nodes have its content, its membership and its entry in the
// index, and which of them do not answer or take no writes, without their
// names; whether it is older than the horizon, whether a replica has forgotten
// something, and whether a host is frozen. As long as something is late it says
// less. A search goes on from the states that it came to.
type State uint64

// Sighting is a state, and how many events with an effect it took to come to
// it.
type Sighting struct {
	State  State
	Events int
}

// sight notes the states of the messages that were delivered last.
func (w *world) sight() {
	const most = 4 // messages
	frozen := slices.ContainsFunc(w.hosts, func(h *host) bool { return h.frozen })
	if len(w.late) > 0 {
		w.sighted(w.forgotten, frozen, w.cut)
		return
	}
	looked := 0
	for _, op := range slices.Backward(w.ops) {
		if op.Kind != faults.Deliver || op.Outcome != faults.OK {
			continue
		}
		if looked++; looked > most {
			break
		}
		id, err := cassandra.ParseMessageID(op.Message.ID)
		if err != nil {
			continue
		}
		holds := make(map[string][]int) // by data centre
		for _, n := range w.nodes {
			if !n.gone {
				holds[n.DC] = append(holds[n.DC], n.Holds(id)<<1|number(n.down || n.overloaded))
			}
		}
		for _, dc := range slices.Sorted(maps.Keys(holds)) {
			nodes := holds[dc]
			slices.Sort(nodes)
			nodes = nodes[max(0, len(nodes)-3):] // the others are no replicas
			w.sighted(w.forgotten, frozen, time.Since(op.Return) > w.horizon, nodes)
		}
	}
}

// sighted notes the state that some values stand for. Clusters have no states in
// common.
func (w *world) sighted(values ...any) {
	sum := fnv.New64a()
	fmt.Fprintln(sum, w.history.Cluster, values)
	w.states = append(w.states, Sighting{State(sum.Sum64()), len(w.met)})
}

func number(is bool) int {
	if is {
		return 1
	}
	return 0
}
