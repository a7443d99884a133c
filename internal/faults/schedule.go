package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

// step is one fault or several at the same time, and how long they last.
type step struct {
	faults []fault
	lasts  time.Duration
}

// fault is a nemesis and its target.
type fault struct {
	*nemesis
	target string
	dice   uint64 // for the nemesis's own choices
}

func (s step) String() string {
	parts := make([]string, len(s.faults))
	for i, f := range s.faults {
		parts[i] = strings.TrimSpace(f.name + " " + f.target)
	}
	return fmt.Sprintf("%s for %s", strings.Join(parts, " + "), s.lasts)
}

// stage is what the nemeses can break.
type stage struct {
	dcs   []cassandratest.DC
	hosts []string // names
}

const (
	// A fault that is too short breaks nothing, and one that lasts long leaves
	// less time for others.
	shortest = 3 * time.Second
	longest  = 45 * time.Second
)

// schedule returns what happens in a run, which depends on nothing but the
// arguments. Each nemesis comes once alone, in a random order. Then several
// come at once, until the time is used up.
func schedule(seed uint64, length time.Duration, s stage, names []string) ([]step, error) {
	chosen, err := choose(names, s)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	var left time.Duration // of the length, without what the healing takes
	for _, n := range chosen {
		left += n.costs
	}
	each := min(max((length-left)/time.Duration(len(chosen)), shortest), longest)
	var steps []step
	var used time.Duration
	add := func(nemeses ...*nemesis) {
		st := step{lasts: (each/2 + upTo(random, each)).Round(100 * time.Millisecond)}
		st.lasts = min(max(st.lasts, shortest), longest)
		used += st.lasts
		for _, n := range nemeses {
			st.faults = append(st.faults, fault{n, n.aim(random, s), random.Uint64()})
			used += n.costs
		}
		steps = append(steps, st)
	}
	for _, i := range random.Perm(len(chosen)) {
		add(chosen[i])
	}
	for used < length {
		add(mixture(random, chosen)...)
	}
	return steps, nil
}

// mixture returns some nemeses of which no two take hold of the same kind of
// thing.
func mixture(random *rand.Rand, from []*nemesis) (mixed []*nemesis) {
	most := 2 + random.IntN(2)
	for _, i := range random.Perm(len(from)) {
		free := !slices.ContainsFunc(mixed, func(n *nemesis) bool { return n.holds&from[i].holds != 0 })
		if free && len(mixed) < most {
			mixed = append(mixed, from[i])
		}
	}
	return mixed
}

// choose returns the nemeses with these names, or all without any.
func choose(names []string, s stage) (chosen []*nemesis, err error) {
	for i := range nemeses {
		n := &nemeses[i]
		if len(names) > 0 && !slices.Contains(names, n.name) {
			continue
		}
		if n.holds&link != 0 && n.holds != everything && len(s.dcs) < 2 && n.name != "repair" {
			if len(names) > 0 {
				return nil, fmt.Errorf("faults: %s needs two data centres", n.name)
			}
			continue
		}
		chosen = append(chosen, n)
	}
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(n *nemesis) bool { return n.name == name }) {
			return nil, fmt.Errorf("faults: no nemesis is called %q: there are %s", name, strings.Join(nemesisNames(), ", "))
		}
	}
	return chosen, nil
}

func nemesisNames() (names []string) {
	for _, n := range nemeses {
		names = append(names, n.name)
	}
	return names
}

// upTo returns a random time up to most.
func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}
