package sim

import "slices"

// Shrink returns a smaller history for which fails still reports true: without
// noise if possible, with fewer events, and with smaller numbers in them. It
// calls fails at most limit times.
func Shrink(h History, limit int, fails func(History) bool) History {
	s := &shrinking{best: h, left: limit, fails: fails}
	for _, simpler := range []func(*History){
		func(h *History) { h.Seed = 0 },
		func(h *History) { h.Page = 0 },
		func(h *History) { h.Bearable = 0 },
		func(h *History) { h.Crowd = 0 },
		func(h *History) { h.Border = "" },
		func(h *History) { h.Horizon = "1h" },
	} {
		candidate := s.best
		simpler(&candidate)
		s.try(candidate)
	}
	for before := ""; before != s.best.String() && s.left > 0; {
		before = s.best.String()
		s.fewerEvents()
		s.withoutPairs()
		s.simplerNames()
		s.simplerEvents()
		s.simplerCluster()
	}
	return s.best
}

type shrinking struct {
	best  History
	left  int
	fails func(History) bool
}

// try takes a candidate if it fails too.
func (s *shrinking) try(candidate History) bool {
	if s.left == 0 {
		return false
	}
	s.left--
	if !s.fails(candidate) {
		return false
	}
	s.best = candidate
	return true
}

// fewerEvents takes out stretches of events, the longest first.
func (s *shrinking) fewerEvents() {
	for size := len(s.best.Events) / 2; size > 0; size /= 2 {
		for from := len(s.best.Events) - size; from >= 0; from-- {
			if from+size > len(s.best.Events) {
				continue
			}
			candidate := s.best
			candidate.Events = slices.Delete(slices.Clone(s.best.Events), from, from+size)
			s.try(candidate)
		}
	}
}

// withoutPairs takes out pairs of events, such as a node that goes down and comes
// up again.
func (s *shrinking) withoutPairs() {
	for i := len(s.best.Events) - 1; i > 0; i-- {
		for j := i - 1; j >= 0 && i < len(s.best.Events); j-- {
			candidate := s.best
			candidate.Events = slices.Delete(slices.Clone(s.best.Events), i, i+1)
			candidate.Events = slices.Delete(candidate.Events, j, j+1)
			s.try(candidate)
		}
	}
}

// simplerNames changes a user, a unique-id, a host or a node in all events at
// the same time.
func (s *shrinking) simplerNames() {
	for _, of := range []*kind{&aUser, &aLabel, &aHost, &aNode} {
		for larger := of.size() - 1; larger > 0; larger-- {
			for smaller := range larger {
				candidate := s.best
				candidate.Events = slices.Clone(s.best.Events)
				for i := range candidate.Events {
					candidate.Events[i].rename(of, larger, smaller)
				}
				if candidate.String() != s.best.String() && s.try(candidate) {
					break
				}
			}
		}
	}
}

// rename changes a value of a kind of argument into another one.
func (e *Event) rename(of *kind, from, to int) {
	for i, kind := range verbs[e.Verb].args {
		if kind.same(*of) && e.Args[i] == from {
			e.Args[i] = to
		}
	}
}

// simplerEvents makes the numbers of events smaller, and waits for operations.
func (s *shrinking) simplerEvents() {
	for i := range s.best.Events {
		s.change(i, func(e *Event) { e.Background = false })
		for arg := range verbs[s.best.Events[i].Verb].args {
			for smaller := range s.best.Events[i].Args[arg] {
				if s.change(i, func(e *Event) { e.Args[arg] = smaller }) {
					break
				}
			}
		}
	}
}

func (s *shrinking) change(i int, change func(*Event)) bool {
	candidate := s.best
	candidate.Events = slices.Clone(s.best.Events)
	change(&candidate.Events[i])
	return candidate.Events[i] != s.best.Events[i] && s.try(candidate)
}

func (s *shrinking) simplerCluster() {
	for _, simple := range [][2]string{{"dc1:3", "dc1"}, {"dc1:3", "dc1 dc1"}} {
		candidate := s.best
		candidate.Cluster, candidate.Hosts = simple[0], simple[1]
		if len(candidate.String()) < len(s.best.String()) {
			s.try(candidate)
		}
	}
}
