package model

// The fence and the seal (P1).
//
// Appenders deliver a message each. An appender writes its membership, waits
// until a quorum of its data centre has acknowledged it, reads the fence at
// LOCAL_QUORUM, and acknowledges the message if the fence lies below its ID. It
// refuses it otherwise.
//
// Provers seal the bucket, all of it up to an end. A prover writes its end as
// the fence, waits for acknowledgements, reads the memberships, and writes a
// seal: the list of what it has read. A message at or below the end that is not
// on the list is never listed again. A prover may build on the seal of another:
// of what lies below the end of that seal it reads what is on its list only.
//
// A replica keeps the largest fence that it got. A write goes to each replica
// as a message of its own, which may arrive at any time, after its sender went
// on, or never. A read visits one replica at a time.
//
// A fault is that a replica forgets: it is replaced and takes over what one
// other replica has, or it is killed (-9) and the last writes of one table or
// of all are gone.
//
// It is bad if a message is acknowledged, a replica still has it, and a seal
// leaves it out.
//
// One message and one prover show everything: nothing that is written about a
// message depends on another. The second message and the second prover are
// there so that this need not be believed. The first message lies below the
// ends of all provers, the second one below the end of the last prover only.

// seals is a variant of the protocol.
type seals struct {
	cluster            cluster // the appenders are in the first data centre
	appenders, provers int     // two at most

	fence, proof level // of the write of the fence, and of the reads of a proof

	fenceReadFirst bool // an appender reads the fence before it writes its membership
	proofReadFirst bool // a prover reads before its fence is acknowledged

	losses   int  // how many times a replica forgets
	by       loss // how; 0 is both ways
	repaired bool // everything is repaired after a loss, before the next one
	restarts bool // no proof, no write and no read lasts from before such a repair to after it
}

// loss is a way to forget.
type loss uint8

const (
	replacement loss = iota + 1
	kill
)

type phase uint8

const (
	idle    phase = iota
	writing       // waits for acknowledgements
	reading
	sealed       // the end, of a prover
	acknowledged // the end, of an appender
	refused      // the end, of an appender
)

type appender struct {
	phase phase
	read  set // the replicas that it has read the fence of
	saw   bool
}

type prover struct {
	phase phase
	based bool // it builds on the seal of the other prover
	read  set  // the replicas that it has read
	list  set  // the messages that it has read
}

type sealState struct {
	has       [2]set // the replicas that have the membership of each message
	arrived   [2]set // the replicas that got it, and acknowledged it
	fence     [2]set // the replicas whose fence is at or above the end of each prover
	fenced    [2]set // the replicas that got its fence, and acknowledged it
	appenders [2]appender
	provers   [2]prover
	losses    uint8
	damaged   bool // a replica has forgotten something, and nothing is repaired since
}

func (v seals) model() Model[sealState] {
	return Model[sealState]{Next: v.next, Same: v.same, Bad: v.bad, Goals: v.goals()}
}

func (v seals) next(s sealState, emit Emit[sealState]) {
	for i := range v.appenders {
		v.membershipArrives(s, i, emit)
		v.append(s, i, emit)
	}
	for i := range v.provers {
		v.fenceArrives(s, i, emit)
		v.prove(s, i, emit)
	}
	switch {
	case int(s.losses) == v.losses:
	case v.repaired && s.damaged:
		v.repair(s, emit)
	default:
		if v.by != kill {
			v.replace(s, emit)
		}
		if v.by != replacement {
			v.kill(s, emit)
		}
	}
}

func (v seals) membershipArrives(s sealState, i int, emit Emit[sealState]) {
	if !v.sent(s.appenders[i].phase) {
		return
	}
	for r := range (v.cluster.replicas() &^ s.arrived[i]).each {
		t := s
		t.has[i], t.arrived[i] = s.has[i].with(r), s.arrived[i].with(r)
		emit(t, "message %d arrives at R%d", i+1, r+1)
	}
}

// sent reports whether an appender has sent its message.
func (v seals) sent(p phase) bool {
	if v.fenceReadFirst {
		return p == writing || p == acknowledged
	}
	return p != idle
}

func (v seals) append(s sealState, i int, emit Emit[sealState]) {
	t := s
	a := &t.appenders[i]
	switch {
	case a.phase == idle && v.fenceReadFirst:
		a.phase = reading
		emit(t, "appender %d begins to read the fence", i+1)
	case a.phase == idle:
		a.phase = writing
		emit(t, "appender %d sends its message", i+1)
	case a.phase == writing && v.cluster.met(localQuorum, 0, s.arrived[i]):
		a.phase = reading
		if v.fenceReadFirst {
			a.phase = acknowledged
			emit(t, "appender %d acknowledges", i+1)
			return
		}
		emit(t, "appender %d has its acknowledgements", i+1)
	case a.phase == reading:
		v.readFence(s, i, emit)
	}
}

// readFence reads the fence at one more replica, or goes on if a quorum is
// read.
func (v seals) readFence(s sealState, i int, emit Emit[sealState]) {
	t := s
	a := &t.appenders[i]
	if !v.cluster.met(localQuorum, 0, a.read) {
		for r := range (v.cluster.dc(0) &^ a.read).each {
			t := s
			a := &t.appenders[i]
			a.read = a.read.with(r)
			if s.fence[v.least(i)].has(r) {
				a.saw = true
				emit(t, "appender %d reads R%d: the fence is above", i+1, r+1)
			} else {
				emit(t, "appender %d reads R%d: no fence", i+1, r+1)
			}
		}
		return
	}
	saw := a.saw
	*a = appender{}
	switch {
	case saw:
		a.phase = refused
		emit(t, "appender %d refuses", i+1)
	case v.fenceReadFirst:
		a.phase = writing
		emit(t, "appender %d sends its message", i+1)
	default:
		a.phase = acknowledged
		emit(t, "appender %d acknowledges", i+1)
	}
}

func (v seals) fenceArrives(s sealState, i int, emit Emit[sealState]) {
	if s.provers[i].phase == idle {
		return
	}
	for r := range (v.cluster.replicas() &^ s.fenced[i]).each {
		t := s
		t.fenced[i] = s.fenced[i].with(r)
		for lower := range i + 1 { // a fence above this end is above the lower ends, too
			t.fence[lower] = s.fence[lower].with(r)
		}
		emit(t, "fence %d arrives at R%d", i+1, r+1)
	}
}

func (v seals) prove(s sealState, i int, emit Emit[sealState]) {
	t := s
	p := &t.provers[i]
	fenced := v.cluster.met(v.fence, 0, s.fenced[i])
	switch {
	case p.phase == idle:
		p.phase = writing
		emit(t, "prover %d sends its fence", i+1)
	case p.phase == writing && (fenced || v.proofReadFirst):
		p.phase = reading
		emit(t, "prover %d begins to read", i+1)
		if s.provers[1-i].phase == sealed {
			p.based = true
			emit(t, "prover %d begins to read, based on the seal of the other", i+1)
		}
	case p.phase == reading && v.cluster.met(v.proof, 0, p.read):
		if !fenced {
			return
		}
		*p = prover{phase: sealed, list: p.list}
		if p.list == 0 {
			emit(t, "prover %d seals without any message", i+1)
		} else {
			emit(t, "prover %d seals with messages %03b", i+1, int(p.list))
		}
	case p.phase == reading:
		v.readMemberships(s, i, emit)
	}
}

// readMemberships reads at one more replica.
func (v seals) readMemberships(s sealState, i int, emit Emit[sealState]) {
	p := s.provers[i]
	var skipped set // sealed already
	if p.based {
		skipped = v.below(1-i) &^ s.provers[1-i].list
	}
	for r := range (v.cluster.replicas() &^ p.read).each {
		var found set
		for m := range (v.below(i) &^ skipped).each {
			if s.has[m].has(r) {
				found = found.with(m)
			}
		}
		t := s
		t.provers[i].read, t.provers[i].list = p.read.with(r), p.list|found
		if found == 0 {
			emit(t, "prover %d reads R%d: nothing", i+1, r+1)
		} else {
			emit(t, "prover %d reads R%d: messages %03b", i+1, r+1, int(found))
		}
	}
}

// below returns the messages below the end of a prover.
func (v seals) below(prover int) set {
	if prover == v.provers-1 {
		return first(v.appenders)
	}
	return first(1)
}

// least returns the first prover whose end lies above a message.
func (v seals) least(message int) int { return min(message, v.provers-1) }

func (v seals) bad(s sealState) string {
	for i := range v.provers {
		if s.provers[i].phase != sealed {
			continue
		}
		for m := range (v.below(i) &^ s.provers[i].list).each {
			if s.appenders[m].phase == acknowledged && s.has[m] != 0 {
				return text("message %d is hidden", []int{m + 1})
			}
		}
	}
	return ""
}

func (v seals) goals() []Goal[sealState] {
	goals := []Goal[sealState]{
		{"acknowledged, and on the list of every seal", func(s sealState) bool { return s.ends(v, acknowledged, true) }},
		{"refused, and on no list", func(s sealState) bool { return s.ends(v, refused, false) }},
		{"refused, and on the list", func(s sealState) bool { return s.ends(v, refused, true) }},
		{"sealed, and the message arrives after that", func(s sealState) bool {
			return s.ends(v, writing, false) && s.has[0] != 0
		}},
	}
	if v.losses > 0 {
		goals = append(goals, Goal[sealState]{"acknowledged, on every list, and one replica has it still", func(s sealState) bool {
			return int(s.losses) == v.losses && s.ends(v, acknowledged, true) && s.has[0].count() == 1
		}})
	}
	return goals
}

// ends reports whether every prover has sealed, and every appender has come to
// the same end, with its message on the lists or not.
func (s sealState) ends(v seals, end phase, listed bool) bool {
	for i := range v.provers {
		var want set
		if listed {
			want = v.below(i)
		}
		if s.provers[i].phase != sealed || s.provers[i].list != want {
			return false
		}
	}
	for i := range v.appenders {
		if s.appenders[i].phase != end {
			return false
		}
	}
	return true
}

// same sorts the replicas of each data centre.
func (v seals) same(s sealState) sealState {
	sets := [...]*set{
		&s.has[0], &s.has[1], &s.arrived[0], &s.arrived[1], &s.fence[0], &s.fence[1], &s.fenced[0], &s.fenced[1],
		&s.appenders[0].read, &s.appenders[1].read, &s.provers[0].read, &s.provers[1].read,
	}
	order := v.cluster.order(func(r int) uint64 { return row(sets[:], r) })
	for _, set := range sets {
		*set = order.sort(*set)
	}
	return s
}
