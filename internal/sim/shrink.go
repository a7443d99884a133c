package sim

// Shrink returns a smaller history for which fails still reports true: without
// noise if possible, with fewer events, and with smaller numbers in them. It
// calls fails at most limit times.
func Shrink(h History, limit int, fails func(History) bool) History {
	s := &shrinking{best: h, left: limit, fails: fails}
	calm := h
	calm.Seed = 0
	s.try(calm)
	for before := ""; before != s.best.String() && s.left > 0; {
		before = s.best.String()
		s.fewerEvents()
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
			candidate.Events = append(append([]Event(nil), s.best.Events[:from]...), s.best.Events[from+size:]...)
			s.try(candidate)
		}
	}
}

// simplerEvents makes the numbers of events smaller, and waits for operations.
func (s *shrinking) simplerEvents() {
	for i := range s.best.Events {
		s.change(i, func(e *Event) { e.Behind = false })
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
	candidate.Events = append([]Event(nil), s.best.Events...)
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
