package sim

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Generate makes the history of a seed. Each history has some of the verbs of
// the menu and not the others, so that deep combinations of a few of them come
// up; and half of the histories have no noise. A nil menu has all verbs.
func Generate(seed uint64, menu map[string]bool) History {
	random := rand.New(rand.NewPCG(seed, 0x706f7063))
	h := History{
		Cluster: pick(random, "dc1:3", "dc1:3", "dc1:3", "dc1:3,dc2:3", "dc1:3,dc2:1", "dc1:3/1", "dc1:4/3", "dc1:3,dc2:3/0"),
		Horizon: pick(random, "1s", "1h"),
	}
	h.Hosts = pick(random, "dc1", "dc1 dc1", "dc1 dc1")
	if dcs, _ := parseDCs(h.Cluster); len(dcs) > 1 && dcs[1].Replicas > 0 {
		h.Hosts = pick(random, "dc1 dc1", "dc1 dc2", "dc2 dc1")
	}
	if random.IntN(3) == 0 {
		h.Border = pick(random, "1m", "1h")
	}
	if random.IntN(3) == 0 {
		h.Crowd = 10 * (1 + random.IntN(2))
	}
	if random.IntN(4) == 0 {
		h.Page = 1 + random.IntN(3)
	}
	if random.IntN(6) == 0 {
		h.Bearable = 4 + random.IntN(8)
	}
	if random.IntN(2) == 0 {
		h.Seed = seed | 1
	}
	names, total := all(some(random, menu))
	for number := range 12 + random.IntN(14) {
		h.Events = append(h.Events, h.event(random, number+1, draw(random, names, total)))
	}
	return h
}

// event returns an event with random arguments.
func (h History) event(random *rand.Rand, number int, verb string) Event {
	e := Event{Number: number, Verb: verb}
	for i, kind := range verbs[verb].args {
		size := kind.size()
		if kind.same(aNode) {
			size = min(size, h.nodes())
		}
		e.Args[i] = random.IntN(size)
	}
	e.Background = verbs[verb].most+verbs[verb].each > 0 && random.IntN(5) == 0
	return e
}

// nodes returns how many nodes the cluster has at most.
func (h History) nodes() (n int) {
	for _, e := range h.Events {
		n += number(e.Verb == "add")
	}
	dcs, _ := parseDCs(h.Cluster)
	for _, dc := range dcs {
		n += dc.Nodes
	}
	return n
}

// vary returns a variant of a history: one that is changed in some places, or
// one that goes on with more events or with the end of another.
func vary(random *rand.Rand, h, other History, menu map[string]bool) History {
	const longest = 40 // events
	changes, more := 1+random.IntN(3), random.IntN(3)
	if random.IntN(2) == 0 {
		changes, more = 0, 1+random.IntN(7)
	}
	if random.IntN(2) == 0 {
		menu = some(random, menu)
	}
	names, total := all(menu)
	number := 1
	for _, e := range slices.Concat(h.Events, other.Events) {
		number = max(number, e.Number+1)
	}
	h.Events = slices.Clone(h.Events)
	for range changes {
		h.change(random, number, draw(random, names, total))
		number++
	}
	if random.IntN(8) == 0 {
		h.Events = append(h.Events, other.Events[random.IntN(len(other.Events)+1):]...)
	}
	for range more {
		h.Events = append(h.Events, h.event(random, number, draw(random, names, total)))
		number++
	}
	h.Events = h.Events[:min(len(h.Events), longest)]
	if h.Seed != 0 && random.IntN(4) == 0 {
		h.Seed = random.Uint64() | 1
	}
	return h
}

// change changes a history somewhere: it puts in an event with a verb, leaves
// one out, takes other arguments for it, or changes two in their order.
func (h *History) change(random *rand.Rand, number int, verb string) {
	at := random.IntN(len(h.Events) + 1)
	switch n := random.IntN(6); {
	case n < 2 || at == len(h.Events):
		h.Events = slices.Insert(h.Events, at, h.event(random, number, verb))
	case n < 3:
		h.Events = slices.Delete(h.Events, at, at+1)
	case n < 5:
		h.Events[at] = h.event(random, number, h.Events[at].Verb)
	case at > 0:
		h.Events[at-1], h.Events[at] = h.Events[at], h.Events[at-1]
	}
}

// all returns the verbs of a menu, sorted, and the sum of their weights.
func all(menu map[string]bool) (names []string, total int) {
	for _, name := range slices.Sorted(maps.Keys(verbs)) {
		if hazard := verbs[name].hazard; menu == nil || menu[hazard] || hazard == "" {
			names = append(names, name)
			total += verbs[name].weight
		}
	}
	return names, total
}

// some returns a part of a menu, for one history.
func some(random *rand.Rand, menu map[string]bool) map[string]bool {
	part := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(verbs)) {
		hazard := verbs[name].hazard
		if _, drawn := part[hazard]; !drawn && hazard != "" {
			part[hazard] = random.IntN(5) < 2 && (menu == nil || menu[hazard])
		}
	}
	return part
}

// draw draws a verb by its weight.
func draw(random *rand.Rand, names []string, total int) string {
	at := random.IntN(total)
	for i := 0; ; i++ {
		if at -= verbs[names[i]].weight; at < 0 {
			return names[i]
		}
	}
}

func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }
