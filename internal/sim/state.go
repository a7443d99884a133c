package sim

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/faults"
)

// State is something that can be said of the world at a moment, as a number:
// which nodes have the content of a message, its membership and its entry in
// the index, and how they are, without their names. A search keeps the
// histories that came to a new state, and goes on from them.
type State uint64

// sight notes the states of the messages that were delivered last.
func (w *world) sight() {
	const most = 4 // messages
	frozen := slices.ContainsFunc(w.hosts, func(h *host) bool { return h.frozen })
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
		var nodes []int
		for _, n := range w.nodes {
			if !n.gone {
				nodes = append(nodes, n.Holds(id)<<4|int(n.DC[len(n.DC)-1]&3)<<2|number(n.down)<<1|number(n.overloaded))
			}
		}
		slices.Sort(nodes)
		w.states = append(w.states, stateOf(nodes, w.forgotten, w.cut, frozen))
	}
}

func number(is bool) int {
	if is {
		return 1
	}
	return 0
}

// stateOf returns the state that some values stand for.
func stateOf(values ...any) State {
	sum := fnv.New64a()
	fmt.Fprint(sum, values...)
	return State(sum.Sum64())
}
