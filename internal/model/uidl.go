package model

// Foreign unique-ids (P5).
//
// Importers deliver a message each into one mailbox, all of them with the same
// foreign unique-id. An importer writes its claim, waits for acknowledgements,
// and looks: it reads the claims. If there is no other, or the owners of all
// others have let go, it is alone: it sends its message with the unique-id,
// which the index lists as soon as it arrives. If it is not alone, or its
// delivery fails before the message is sent, it lets go: it writes `gone` on
// its own claim. A claim is never deleted. A message that was listed can be
// removed.
//
// A write goes to each replica as a message of its own, which may arrive at any
// time, after its sender went on or died, or never. A look visits one replica
// at a time. A process that dies takes no more steps: the search has every such
// run. A fault is that a replica forgets: it is replaced and takes over what
// one other replica has, or it is killed (-9) and forgets its last writes.
//
// It is bad if two messages are listed with the unique-id, be it one after the
// other.
//
// The first and the third importer are in the first data centre, the second
// importer is in the second one, if there is one.

// imports is a variant of the protocol.
type imports struct {
	cluster   cluster
	importers int  // three at most
	kept      bool // no message is removed
	inTurn    bool // an importer begins after the one before has ended

	claim, look level
	lookFirst   bool // an importer looks before it sends its claim
	letsGoLate  bool // a delivery that fails after its message was sent lets go, too
	takesOver   bool // an importer writes `gone` on the claim of a message that is not listed
	frees       bool // the removal of a message writes `gone`
	before      bool // see uidl_before.go

	losses int // how many times a replica forgets
}

type stage uint8

const (
	ready    stage = iota
	claiming       // waits for acknowledgements
	looking
	alone     // nothing is sent
	joining   // before: waits until its membership is in every data centre
	sent      // the end: the message is on its way
	withdrawn // the end
)

type importer struct {
	stage  stage
	read   set // the replicas that it has read
	rivals set // the messages whose claims it has read
	gone   set // those of which it has read that they are gone
}

type uidlState struct {
	importers [3]importer
	claim     [3]set // the replicas that have the claim of each message
	claimed   [3]set // the replicas that got it, and acknowledged it
	gone      [3]set // the replicas that have its `gone`
	freed     set    // the messages whose `gone` is sent
	listed    set    // the messages that were listed with the unique-id
	removed   set    // those that were removed
	member    [3]set // before: the replicas that have the membership of each message
	takenBack set    // before: the messages that their importers have marked as removed
	losses    uint8
}

func (v imports) model() Model[uidlState] {
	m := Model[uidlState]{Next: v.next, Same: v.same, Bad: v.bad}
	if !v.before {
		m.Goals = v.goals()
	}
	return m
}

// home returns the data centre of an importer.
func (v imports) home(importer int) int {
	if v.cluster.there == 0 {
		return 0
	}
	return importer % 2
}

func (v imports) next(s uidlState, emit Emit[uidlState]) {
	for i := range v.importers {
		v.claimArrives(s, i, emit)
		v.goneArrives(s, i, emit)
		switch {
		case v.inTurn && i > 0 && s.importers[i-1].stage < sent:
		case v.before:
			v.importBefore(s, i, emit)
		default:
			v.importOne(s, i, emit)
		}
		v.remove(s, i, emit)
	}
	if int(s.losses) < v.losses {
		v.replace(s, emit)
		v.kill(s, emit)
	}
}

func (v imports) claimArrives(s uidlState, i int, emit Emit[uidlState]) {
	if p := s.importers[i].stage; p == ready || v.lookFirst && p == looking {
		return
	}
	for r := range (v.cluster.replicas() &^ s.claimed[i]).each {
		t := s
		t.claim[i], t.claimed[i] = s.claim[i].with(r), s.claimed[i].with(r)
		emit(t, "claim %d arrives at R%d", i+1, r+1)
	}
}

func (v imports) goneArrives(s uidlState, i int, emit Emit[uidlState]) {
	if !s.freed.has(i) {
		return
	}
	for r := range (v.cluster.replicas() &^ s.gone[i]).each {
		t := s
		t.gone[i] = s.gone[i].with(r)
		emit(t, "gone of claim %d arrives at R%d", i+1, r+1)
	}
}

func (v imports) importOne(s uidlState, i int, emit Emit[uidlState]) {
	t := s
	a := &t.importers[i]
	switch {
	case a.stage == ready && v.lookFirst:
		a.stage = looking
		emit(t, "importer %d begins to look", i+1)
	case a.stage == ready:
		a.stage = claiming
		emit(t, "importer %d sends its claim", i+1)
	case a.stage == claiming && v.cluster.met(v.claim, v.home(i), s.claimed[i]):
		a.stage = looking
		if v.lookFirst {
			a.stage = alone
		}
		emit(t, "importer %d has its acknowledgements", i+1)
	case a.stage == looking && v.cluster.met(v.look, v.home(i), a.read):
		v.decide(s, i, emit)
	case a.stage == looking:
		v.lookAt(s, i, emit)
	case a.stage == alone:
		a.stage = sent
		emit(t, "importer %d sends its message", i+1)
		t.importers[i].stage, t.freed = withdrawn, s.freed.with(i)
		emit(t, "importer %d fails, and lets go", i+1)
	case a.stage == sent && !s.listed.has(i):
		t.listed = s.listed.with(i)
		emit(t, "message %d is listed", i+1)
		if v.letsGoLate && !s.freed.has(i) {
			t.listed, t.freed = s.listed, s.freed.with(i)
			emit(t, "importer %d fails, and lets go", i+1)
		}
	}
}

// lookAt reads the claims at one more replica.
func (v imports) lookAt(s uidlState, i int, emit Emit[uidlState]) {
	for r := range (v.cluster.replicas() &^ s.importers[i].read).each {
		t := s
		a := &t.importers[i]
		a.read = a.read.with(r)
		var found set
		for m := range first(v.importers).without(i).each {
			if s.claim[m].has(r) {
				found = found.with(m)
			}
			if s.gone[m].has(r) {
				a.gone = a.gone.with(m)
			}
		}
		a.rivals |= found
		if found == 0 {
			emit(t, "importer %d looks at R%d: no other claim", i+1, r+1)
		} else {
			emit(t, "importer %d looks at R%d: claims %03b", i+1, r+1, int(found))
		}
	}
}

// decide goes on from a look.
func (v imports) decide(s uidlState, i int, emit Emit[uidlState]) {
	rivals := s.importers[i].rivals &^ s.importers[i].gone
	s.importers[i] = importer{stage: alone}
	switch {
	case rivals == 0 && v.lookFirst:
		s.importers[i].stage = claiming
		emit(s, "importer %d is alone, and sends its claim", i+1)
	case rivals == 0:
		emit(s, "importer %d is alone", i+1)
	case v.takesOver && rivals&s.listed == 0:
		s.importers[i].stage, s.freed = looking, s.freed|rivals
		emit(s, "importer %d writes gone on claims %03b, and looks again", i+1, int(rivals))
	default:
		s.importers[i].stage, s.freed = withdrawn, s.freed.with(i)
		emit(s, "importer %d is not alone, and lets go", i+1)
	}
}

func (v imports) remove(s uidlState, i int, emit Emit[uidlState]) {
	if v.kept || !s.listed.has(i) || s.removed.has(i) {
		return
	}
	s.removed = s.removed.with(i)
	if v.frees {
		s.freed = s.freed.with(i)
	}
	emit(s, "message %d is removed", i+1)
}

// replace lets a replica forget everything, and take over what another one has.
func (v imports) replace(s uidlState, emit Emit[uidlState]) {
	for r := range v.cluster.replicas().each {
		for from := range v.cluster.replicas().without(r).each {
			t := s
			for i := range v.importers {
				t.claim[i] = copied(s.claim[i], from, r)
				t.gone[i] = copied(s.gone[i], from, r)
			}
			v.lose(s, t, emit, "R%d is replaced, streams from R%d", r+1, from+1)
		}
	}
}

// kill lets a replica forget some claims, and all that is gone or nothing of
// it.
func (v imports) kill(s uidlState, emit Emit[uidlState]) {
	for r := range v.cluster.replicas().each {
		for claims := range first(v.importers) + 1 {
			t := s
			for i := range claims.each {
				t.claim[i] = s.claim[i].without(r)
			}
			v.lose(s, t, emit, "R%d is killed, forgets claims %03b", r+1, int(claims))
			for i := range t.gone {
				t.gone[i] = s.gone[i].without(r)
			}
			v.lose(s, t, emit, "R%d is killed, forgets claims %03b and gone", r+1, int(claims))
		}
	}
}

func (v imports) lose(s, t uidlState, emit Emit[uidlState], step string, numbers ...int) {
	if t.claim != s.claim || t.gone != s.gone {
		t.losses++
		emit(t, step, numbers...)
	}
}

func (v imports) bad(s uidlState) string {
	switch {
	case (s.listed &^ s.takenBack).count() < 2:
		return ""
	case s.removed != 0:
		return "the unique-id is given out again"
	}
	return "two messages have the unique-id"
}

func (v imports) goals() []Goal[uidlState] {
	return []Goal[uidlState]{
		{"listed, or listed and removed, and the others went without", func(s uidlState) bool {
			return s.listed.has(0) && (v.kept || s.removed.has(0)) && s.freed == first(v.importers).without(0)
		}},
		{"the first one let go, and another is listed", func(s uidlState) bool { return s.freed.has(0) && s.listed.has(1) }},
		{"all went without", func(s uidlState) bool { return s.freed == first(v.importers) }},
		{"listed after a loss", func(s uidlState) bool { return int(s.losses) == v.losses && s.listed != 0 }},
	}
}

// same sorts the replicas of each data centre.
func (v imports) same(s uidlState) uidlState {
	var sets [15]*set
	for i := range 3 {
		copy(sets[5*i:], []*set{&s.claim[i], &s.claimed[i], &s.gone[i], &s.member[i], &s.importers[i].read})
	}
	order := v.cluster.order(func(r int) uint64 { return row(sets[:], r) })
	for _, set := range sets {
		*set = order.sort(*set)
	}
	return s
}
