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

// forgetful returns the data centres in which a node may forget something:
// there are others that acknowledged it too.
func (s stage) forgetful() (dcs []cassandratest.DC) {
	for _, dc := range s.dcs {
		if dc.Nodes >= replicas {
			dcs = append(dcs, dc)
		}
	}
	return dcs
}

func (s stage) allForgetful() bool { return len(s.forgetful()) == len(s.dcs) }

const (
	// A fault that is too short breaks nothing, and one that lasts long leaves
	// less time for others.
	shortest = 3 * time.Second
	longest  = 45 * time.Second
)

// schedule returns what happens in a run, which depends on nothing but the
// arguments. Each nemesis comes once alone, in a random order. Then several
// come at once, until the time is used up. left says which nemeses are left
// out, and why.
func schedule(seed uint64, length time.Duration, s stage, names []string) (steps []step, left []string, err error) {
	chosen, left, err := choose(names, s)
	if err != nil {
		return nil, nil, err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	if len(names) == 0 {
		var slow []string
		chosen, slow = shorten(random, chosen, length)
		left = append(left, slow...)
	}
	var healing, used time.Duration
	for _, n := range chosen {
		healing += n.costs
	}
	each := min(max((length-healing)/time.Duration(len(chosen)), shortest), longest)
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
	return steps, left, nil
}

// shorten leaves out the nemeses that take more than a third of a run, and all
// but one of those that take more than a fifth: a run of some minutes has no
// time for them.
func shorten(random *rand.Rand, chosen []*nemesis, length time.Duration) (some []*nemesis, left []string) {
	var slow []*nemesis
	for _, n := range chosen {
		switch {
		case n.costs > length/3:
			left = append(left, n.name+" takes too long for this run")
		case n.costs > length/5:
			slow = append(slow, n)
		default:
			some = append(some, n)
		}
	}
	for i, at := range random.Perm(len(slow)) {
		if i == 0 {
			some = append(some, slow[at])
		} else {
			left = append(left, slow[at].name+" takes long: the seed has chosen another one for this run")
		}
	}
	return some, left
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

// choose returns the nemeses with these names, or, without any, all for which
// the stage has what they need; left says what others need.
func choose(names []string, s stage) (chosen []*nemesis, left []string, err error) {
	for i := range nemeses {
		n := &nemeses[i]
		switch {
		case len(names) > 0 && !slices.Contains(names, n.name):
		case n.needs.met(s):
			chosen = append(chosen, n)
		case len(names) > 0:
			return nil, nil, fmt.Errorf("faults: %s needs %s", n.name, n.needs.what)
		default:
			left = append(left, n.name+" needs "+n.needs.what)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(n *nemesis) bool { return n.name == name }) {
			return nil, nil, fmt.Errorf("faults: no nemesis is called %q: there are %s", name, strings.Join(nemesisNames(), ", "))
		}
	}
	return chosen, left, nil
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
