package model

// The protocol of before, without `gone`. An importer writes its claim in every
// data centre. It looks in its own one for an older message that has a claim
// and a membership that is not marked as removed, and goes without if there is
// one. It writes its membership in every data centre. Then it tells the index,
// and confirms at the same time: it looks again, for younger messages too, and
// takes its message back if there is one.

func (v imports) importBefore(s uidlState, i int, emit Emit[uidlState]) {
	v.memberArrives(s, i, emit)
	here := v.cluster.dc(v.home(i))
	joined := v.cluster.met(eachQuorum, 0, s.member[i])
	if t := s; joined && !(s.listed | s.takenBack).has(i) {
		t.listed = s.listed.with(i)
		emit(t, "message %d is listed", i+1)
	}
	a := &s.importers[i]
	switch {
	case a.stage == ready:
		a.stage = claiming
		emit(s, "importer %d sends its claim", i+1)
	case a.stage == claiming && v.cluster.met(eachQuorum, 0, s.claimed[i]):
		if s.live(here)&first(i) == 0 {
			a.stage = joining
			emit(s, "importer %d finds no older message, and sends its membership", i+1)
		} else {
			a.stage = withdrawn
			emit(s, "importer %d finds an older message, and goes without", i+1)
		}
	case a.stage == joining && joined:
		if s.live(here).without(i) == 0 {
			a.stage = sent
			emit(s, "importer %d is confirmed", i+1)
		} else {
			a.stage, s.takenBack = withdrawn, s.takenBack.with(i)
			emit(s, "importer %d finds another message, and takes its own back", i+1)
		}
	}
}

func (v imports) memberArrives(s uidlState, i int, emit Emit[uidlState]) {
	if s.importers[i].stage != joining {
		return
	}
	for r := range (v.cluster.replicas() &^ s.member[i]).each {
		t := s
		t.member[i] = s.member[i].with(r)
		emit(t, "membership %d arrives at R%d", i+1, r+1)
	}
}

// live returns the messages of which some replicas have the claim, and the
// membership without a mark.
func (s uidlState) live(replicas set) set {
	var live set
	for i := range s.claim {
		if s.claim[i]&replicas != 0 && s.member[i]&replicas != 0 && !(s.removed | s.takenBack).has(i) {
			live = live.with(i)
		}
	}
	return live
}
