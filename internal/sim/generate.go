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
		Bucket:  pick(random, "720h", "720h", "720h", "24h", "24h", "1h"),
	}
	h.Hosts = pick(random, "dc1", "dc1 dc1", "dc1 dc1")
	if dcs, _ := parseDCs(h.Cluster); len(dcs) > 1 && dcs[1].Replicas > 0 {
		h.Hosts = pick(random, "dc1 dc1", "dc1 dc2", "dc2 dc1")
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
	names, total := some(random, menu)
	for number := range 12 + random.IntN(14) {
		e := Event{Number: number + 1, Verb: draw(random, names, total)}
		for i, kind := range verbs[e.Verb].args {
			e.Args[i] = random.IntN(kind.size())
		}
		e.Behind = verbs[e.Verb].most > 0 && random.IntN(5) == 0
		h.Events = append(h.Events, e)
	}
	return h
}

// some returns the verbs that a history has, sorted, and the sum of their
// weights.
func some(random *rand.Rand, menu map[string]bool) (names []string, total int) {
	hazards := make(map[string]bool) // of this history
	for _, name := range slices.Sorted(maps.Keys(verbs)) {
		hazard := verbs[name].hazard
		if _, drawn := hazards[hazard]; !drawn {
			hazards[hazard] = hazard == "" || random.IntN(5) < 2
		}
		if hazards[hazard] && (menu == nil || menu[hazard] || hazard == "") {
			names = append(names, name)
			total += verbs[name].weight
		}
	}
	return names, total
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
