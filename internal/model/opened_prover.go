package model

func (v openings) proverWrites(s openedState, i int, emit Emit[openedState]) {
	w := s.provers[i].write
	if w.row == (bucketRow{}) {
		return
	}
	for r := range (v.cluster().replicas() &^ w.arrived).each {
		t := s
		t.rows[r] = s.rows[r].merge(w.row)
		t.provers[i].write.arrived = w.arrived.with(r)
		if w.row.deleted != 0 {
			emit(t, "the deletion of prover %d arrives at R%d", i+1, r+1)
		} else {
			emit(t, "the seal of prover %d arrives at R%d", i+1, r+1)
		}
	}
}

func (v openings) prove(s openedState, i int, emit Emit[openedState]) {
	switch p := s.provers[i]; p.phase {
	case idle:
		for skew := range v.skew + 1 {
			t := s
			t.provers[i] = sealer{phase: readingRow, end: s.now - v.horizon + skew}
			if v.membershipsFirst {
				t.provers[i].phase = readingMemberships
			}
			emit(t, "prover %d begins, its end is %d", i+1, int(t.provers[i].end))
		}
	case readingRow:
		if v.cluster().met(v.rows, 0, p.read) {
			v.rowIsRead(s, i, emit)
			return
		}
		for r := range (v.cluster().replicas() &^ p.read).each {
			t := s
			t.provers[i].read, t.provers[i].row = p.read.with(r), p.row.merge(s.rows[r])
			emit(t, "prover %d reads the row at R%d", i+1, r+1)
		}
	case readingMemberships:
		v.readMemberships(s, i, emit)
	}
}

// readMemberships reads at one more replica, or goes on if enough are read.
func (v openings) readMemberships(s openedState, i int, emit Emit[openedState]) {
	p := s.provers[i]
	switch {
	case !v.cluster().met(v.proof, 0, p.read):
		for r := range (v.cluster().replicas() &^ p.read).each {
			t := s
			found := v.memberships(s, i, r)
			t.provers[i].read, t.provers[i].found = p.read.with(r), p.found|found
			if found == 0 {
				emit(t, "prover %d reads R%d: nothing", i+1, r+1)
			} else {
				emit(t, "prover %d reads R%d: messages %03b", i+1, r+1, int(found))
			}
		}
	case v.membershipsFirst:
		s.provers[i].phase, s.provers[i].read = readingRow, 0
		emit(s, "prover %d has read the memberships", i+1)
	default:
		v.write(s, i, emit)
	}
}

// memberships returns what a prover reads at a replica: if it builds on a seal,
// only what is on its list.
func (v openings) memberships(s openedState, i, replica int) set {
	var found set
	for m := range v.repairers {
		if s.has[m].has(replica) {
			found = found.with(m)
		}
	}
	if row := s.provers[i].row; row.sealed() {
		return found & row.list
	}
	return found
}

func (v openings) rowIsRead(s openedState, i int, emit Emit[openedState]) {
	p := &s.provers[i]
	v.readRepair(&s, p.read, p.row)
	p.row = p.row.visible()
	p.read = 0
	switch {
	case !p.row.exists():
		*p = sealer{phase: done}
		emit(s, "prover %d finds no row", i+1)
	case v.membershipsFirst:
		v.write(s, i, emit)
	default:
		opened := int(p.row.opened)
		p.phase = readingMemberships
		if p.row.sealed() {
			p.row.sealAt = 1 // when it was sealed makes no difference
			emit(s, "prover %d has read opened %d, and builds on the seal", i+1, opened)
		} else {
			p.row = bucketRow{opened: p.row.opened}
			emit(s, "prover %d has read opened %d, and ignores the seal", i+1, opened)
		}
	}
}

// write sends the seal, or the deletion of the row.
func (v openings) write(s openedState, i int, emit Emit[openedState]) {
	p := s.provers[i]
	if p.found == 0 && v.bucketOver {
		s.provers[i] = sealer{phase: done, write: rowWrite{row: bucketRow{deleted: p.end}}}
		emit(s, "prover %d deletes the row at %d", i+1, int(p.end))
		return
	}
	s.provers[i] = sealer{phase: done, write: rowWrite{row: bucketRow{sealAt: p.end, sealOf: p.row.opened, list: p.found}}}
	emit(s, "prover %d writes a seal with messages %03b that names opened %d", i+1, int(p.found), int(p.row.opened))
}

// key returns a number that no other prover has.
func (p sealer) key() uint64 {
	actor := uint64(p.phase)<<12 | uint64(p.end)<<8 | uint64(p.read)<<4 | uint64(p.found)
	return actor<<48 ^ p.row.key()<<24 ^ p.write.row.key() ^ uint64(p.write.arrived)<<60
}
