package sim

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/faults"
)

// State is something that can be said of a data centre and a message, as a
// number: which nodes have its content, its membership and its entry in the
// index, and which of them are down, without their names. A search keeps the
// histories that came to a new state, and goes on from them.
type State uint64

// Sighting is a state, and how many events it took to come to it.
type Sighting struct {
	State  State
	Events int
}

// sight notes the states of the messages that were delivered last.
func (w *world) sight() {
	const most = 4 // messages
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
				holds[n.DC] = append(holds[n.DC], n.Holds(id)<<1|number(n.down))
			}
		}
		for _, nodes := range holds {
			slices.Sort(nodes)
			w.sighted(stateOf(nodes))
		}
	}
}

func (w *world) sighted(s State) {
	w.states = append(w.states, Sighting{s, w.played})
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
