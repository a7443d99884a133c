package model

// replace lets a replica forget everything, and take over what another one has.
func (v seals) replace(s sealState, emit Emit[sealState]) {
	for r := range v.cluster.replicas().each {
		for from := range v.cluster.replicas().without(r).each {
			t := s
			for i := range 2 {
				t.has[i] = copied(s.has[i], from, r)
				t.fence[i] = copied(s.fence[i], from, r)
			}
			v.lose(s, t, emit, "R%d is replaced, streams from R%d", r+1, from+1)
		}
	}
}

// copied returns a set with the one replica if it has the other.
func copied(s set, from, to int) set {
	if s.has(from) {
		return s.with(to)
	}
	return s.without(to)
}

// kill lets a replica forget what it wrote last: some messages, the highest
// fences, or both.
func (v seals) kill(s sealState, emit Emit[sealState]) {
	for r := range v.cluster.replicas().each {
		for messages := range first(v.appenders) + 1 {
			for kept := range v.provers + 1 {
				t := s
				for m := range messages.each {
					t.has[m] = s.has[m].without(r)
				}
				for i := kept; i < v.provers; i++ {
					t.fence[i] = s.fence[i].without(r)
				}
				v.lose(s, t, emit, "R%d is killed, forgets messages %03b and the fences above %d", r+1, int(messages), kept)
			}
		}
	}
}

func (v seals) lose(s, t sealState, emit Emit[sealState], step string, numbers ...int) {
	if t.has == s.has && t.fence == s.fence {
		return
	}
	t.losses++
	t.damaged = true
	emit(t, step, numbers...)
}

// repair gives every replica what any replica has.
func (v seals) repair(s sealState, emit Emit[sealState]) {
	for i := range 2 {
		if s.has[i] != 0 {
			s.has[i] = v.cluster.replicas()
		}
		if s.fence[i] != 0 {
			s.fence[i] = v.cluster.replicas()
		}
	}
	if v.restarts {
		v.restart(&s)
	}
	s.damaged = false
	emit(s, "everything is repaired")
}

// restart lets everything begin again that has visited some replicas, and waits
// for others.
func (v seals) restart(s *sealState) {
	for i, a := range s.appenders {
		switch a.phase {
		case writing:
			s.arrived[i] = 0
		case reading:
			s.appenders[i] = appender{phase: reading}
		}
	}
	for i, p := range s.provers {
		if p.phase != sealed {
			s.provers[i], s.fenced[i] = prover{}, 0
		}
	}
}
