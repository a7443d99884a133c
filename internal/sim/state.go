package sim

import (
	"fmt"
	"hash/fnv"
	"slices"
)

// State is a kind of state of the world, as a number: what the nodes have and
// how they are, roughly, without their names. A search keeps the histories that
// came to a new one, and goes on from them.
type State uint64

// sight notes the state of the world.
func (w *world) sight() {
	const most = 2 // rows that are counted; more are as many
	var nodes [][]int
	for _, n := range w.nodes {
		if n.gone {
			continue
		}
		rows := n.Census(make([]int, 0, 8))
		for i := range rows {
			rows[i] = min(rows[i], most)
		}
		nodes = append(nodes, append(rows, int(n.DC[len(n.DC)-1]), number(n.down), number(n.overloaded)))
	}
	slices.SortFunc(nodes, slices.Compare[[]int])
	frozen := slices.ContainsFunc(w.hosts, func(h *host) bool { return h.frozen })
	w.states = append(w.states, stateOf(nodes, w.forgotten, w.cut, frozen))
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
