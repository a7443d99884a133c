package model

func (v openings) mailArrives(s openedState, i int, emit Emit[openedState]) {
	if p := s.repairers[i].phase; v.openedFirst && p != puttingBack && p != mended {
		return
	}
	for r := range (v.cluster().replicas() &^ s.repairers[i].arrived).each {
		t := s
		t.has[i], t.repairers[i].arrived = s.has[i].with(r), s.repairers[i].arrived.with(r)
		emit(t, "message %d arrives at R%d", i+1, r+1)
	}
}

func (v openings) repairerWrites(s openedState, i int, emit Emit[openedState]) {
	for try, w := range s.repairers[i].writes {
		if w.row == (bucketRow{}) {
			continue
		}
		for r := range (v.cluster().replicas() &^ w.arrived).each {
			t := s
			t.rows[r] = s.rows[r].merge(w.row)
			t.repairers[i].writes[try].arrived = w.arrived.with(r)
			if v.listAgain {
				emit(t, "the list of repairer %d arrives at R%d", i+1, r+1)
			} else {
				emit(t, "opened %d of repairer %d arrives at R%d", int(w.row.opened), i+1, r+1)
			}
		}
	}
}

func (v openings) mend(s openedState, i int, emit Emit[openedState]) {
	t := s
	a := &t.repairers[i]
	switch a.phase {
	case puttingBack:
		if !v.cluster().met(localQuorum, 0, a.arrived) {
			return
		}
		a.phase = choosing
		if v.openedFirst {
			a.phase = mended
		}
		emit(t, "repairer %d has put back its message", i+1)
	case choosing:
		v.choose(s, i, emit)
	case confirming:
		v.confirm(s, i, emit)
	}
}

// quorums are the smallest sets of replicas that are a quorum.
func (v openings) quorums(yield func(set) bool) {
	for q := range v.cluster().replicas() + 1 {
		if q.count() == v.replicas/2+1 && !yield(q) {
			return
		}
	}
}

// choose reads the row at a quorum, and sends the repairer's write.
func (v openings) choose(s openedState, i int, emit Emit[openedState]) {
	for q := range v.quorums {
		for skew := range v.skew + 1 {
			t := s
			row := s.merged(q)
			v.readRepair(&t, q, row)
			row = row.visible()
			a := &t.repairers[i]
			a.phase, a.since = confirming, s.now
			w := bucketRow{opened: max(s.now+skew, row.opened+1)}
			if v.listAgain {
				w = bucketRow{sealAt: row.sealAt + 1, sealOf: row.opened, list: row.list.with(i)}
			}
			a.writes[a.try].row = w
			emit(t, "repairer %d reads opened %d, and chooses %d", i+1, int(row.opened), int(w.opened))
		}
	}
}

// confirm reads the row at a quorum again.
func (v openings) confirm(s openedState, i int, emit Emit[openedState]) {
	now := s.repairers[i]
	wrote := now.writes[now.try]
	if !v.cluster().met(localQuorum, 0, wrote.arrived) {
		return
	}
	for q := range v.quorums {
		t := s
		row := s.merged(q)
		v.readRepair(&t, q, row)
		row = row.visible()
		there := row.opened == wrote.row.opened
		if v.listAgain {
			there = row.lists(i)
		}
		a := &t.repairers[i]
		a.since = 0
		switch {
		case there && s.now-now.since < v.patience && v.openedFirst:
			a.phase = puttingBack
			emit(t, "repairer %d reads that it is there", i+1)
		case there && s.now-now.since < v.patience:
			a.phase, a.try = mended, 0
			emit(t, "repairer %d reads that it is there: mended", i+1)
		case now.try+1 < v.tries:
			a.phase, a.try = choosing, now.try+1
			emit(t, "repairer %d begins again", i+1)
		default:
			a.phase = done
			emit(t, "repairer %d gives up", i+1)
		}
	}
}

// readRepair writes what a read has found of the row to the replicas that it
// has visited.
func (v openings) readRepair(s *openedState, read set, row bucketRow) {
	if v.noReadRepair {
		return
	}
	for r := range read.each {
		s.rows[r] = s.rows[r].merge(row)
	}
}
