package model

// Opened (P1).
//
// A bucket is sealed, and a message is put back into the sealed part: a backup
// is restored, or a repair has found it. It is not on the list of the seal.
//
// Repairers put back a message each. A repairer writes the membership, waits
// for a quorum, reads the bucket's row, and writes `opened`: a node's clock, or
// more if it has read as much. It waits for a quorum, reads the row again, and
// has mended the message if `opened` is what it wrote and not much time has
// passed. It begins again otherwise.
//
// Provers seal the bucket at the same time. A prover takes its end from a
// clock, H ago, reads the row, and then the memberships: those on the list of a
// seal that names the `opened` of the row, or all of them if the seal names
// another one. It writes a seal that names the `opened` that it has read. If
// there is no membership, and the bucket's time is over, it deletes the row
// instead.
//
// All of a row that a write is about has the timestamp of the write: the end of
// the prover, or `opened` itself. A session ignores a seal that names another
// `opened` than the row has. It reads nothing of a bucket without a row.
//
// A write goes to each replica as a message of its own, which may arrive at any
// time, after its sender went on, or never. A prover visits one replica at a
// time. A fault is that a replica forgets: it is replaced and takes over what
// one other replica has, or it is killed (-9) and forgets its last writes.
//
// It is bad if a message that is mended is not listed. Without a fault that is
// what a quorum lists; after a fault it is what all replicas together list,
// since they are repaired then.

// openings is a variant of the protocol.
type openings struct {
	replicas           int
	provers, repairers int // two at most

	rowDeleted bool // there is no row at first: a prover has deleted it
	bucketOver bool // a prover that finds nothing deletes the row

	rows, proof      level // of a prover's reads of the row and of the memberships
	noReadRepair     bool  // what a read of the row finds is not written to all that it reads
	membershipsFirst bool  // a prover reads the memberships before the row
	openedFirst      bool  // a repairer writes `opened` before the membership
	listAgain        bool  // a repairer writes the list with its message, instead of `opened`

	horizon  int8 // H, in the model's unit of time
	skew     int8 // how far apart clocks are
	patience int8 // a repairer begins again after so much time
	tries    int8 // and gives up after so many tries, two at most
	passes   int8 // how much time passes
	losses   int  // how many times a replica forgets
}

const (
	puttingBack phase = iota + refused + 1 // waits for a quorum
	choosing                               // reads the row, and chooses `opened`
	confirming                             // waits for a quorum, and reads the row again
	mended
	readingRow
	readingMemberships
	done
)

type repairer struct {
	phase   phase
	try     int8
	since   int8        // when it chose
	arrived set         // the replicas that got the membership
	writes  [2]rowWrite // of its first try, and of its second
}

// sealer is a prover.
type sealer struct {
	phase phase
	end   int8
	read  set       // the replicas that it has read
	row   bucketRow // what it has read of the row
	found set       // the messages that it has read
	write rowWrite
}

type openedState struct {
	now       int8
	rows      [3]bucketRow
	has       [2]set // the replicas that have the membership of each message
	repairers [2]repairer
	provers   [2]sealer
	losses    uint8
}

func (v openings) model() Model[openedState] {
	return Model[openedState]{Start: v.start(), Next: v.next, Same: v.same, Bad: v.bad, Goals: v.goals()}
}

// first is the row that there is at first.
func (v openings) first() bucketRow {
	row := bucketRow{sealAt: 1}
	if v.rowDeleted {
		row.deleted = 1
	}
	return row
}

func (v openings) start() openedState {
	s := openedState{now: v.noon()}
	for i := range v.repairers {
		s.repairers[i].phase = puttingBack
		if v.openedFirst {
			s.repairers[i].phase = choosing
		}
	}
	for r := range v.replicas {
		s.rows[r] = v.first()
	}
	return s
}

// noon is when the model begins: every end lies above the first row.
func (v openings) noon() int8 { return 2 + v.horizon }

func (v openings) cluster() cluster { return cluster{here: v.replicas} }

// merged returns what some replicas have together.
func (s openedState) merged(replicas set) bucketRow {
	var row bucketRow
	for r := range replicas.each {
		row = row.merge(s.rows[r])
	}
	return row
}

func (v openings) next(s openedState, emit Emit[openedState]) {
	for i := range v.repairers {
		v.mailArrives(s, i, emit)
		v.repairerWrites(s, i, emit)
		v.mend(s, i, emit)
	}
	for i := range v.provers {
		v.proverWrites(s, i, emit)
		v.prove(s, i, emit)
	}
	if s.now < v.noon()+v.passes {
		t := s
		t.now++
		emit(t, "it is %d o'clock", int(t.now))
	}
	if int(s.losses) < v.losses {
		v.replace(s, emit)
		v.kill(s, emit)
	}
}

func (v openings) bad(s openedState) string {
	for i := range v.repairers {
		if s.repairers[i].phase == mended && s.has[i] != 0 && !v.listed(s, i) {
			return text("message %d is mended, and not listed", []int{i + 1})
		}
	}
	return ""
}

func (v openings) listed(s openedState, message int) bool {
	if s.losses > 0 {
		return s.merged(v.cluster().replicas()).lists(message)
	}
	for q := range v.quorums {
		if !s.merged(q).lists(message) {
			return false
		}
	}
	return true
}

func (v openings) goals() []Goal[openedState] {
	row := func(s openedState) bucketRow { return s.merged(v.cluster().replicas()).visible() }
	mendedAll := func(s openedState) bool {
		for i := range v.repairers {
			if s.repairers[i].phase != mended {
				return false
			}
		}
		return int(s.losses) == v.losses
	}
	goals := []Goal[openedState]{{"mended, and on the list of a seal that counts", func(s openedState) bool {
		return mendedAll(s) && row(s).sealed() && row(s).list == first(v.repairers)
	}}}
	if v.bucketOver && !v.rowDeleted {
		goals = append(goals, Goal[openedState]{"mended, and the row was deleted", func(s openedState) bool {
			return mendedAll(s) && row(s).deleted > v.first().deleted
		}})
	}
	if !v.bucketOver {
		goals = append(goals, Goal[openedState]{"mended, and the last seal does not count", func(s openedState) bool {
			return mendedAll(s) && row(s).sealAt > 1 && !row(s).sealed() && row(s).list == 0
		}})
	}
	if v.tries > 1 {
		goals = append(goals, Goal[openedState]{"begun again", func(s openedState) bool { return s.repairers[0].try > 0 }})
	}
	return goals
}

// same sorts the replicas and the provers, and forgets writes that have arrived
// at every replica.
func (v openings) same(s openedState) openedState {
	var sets [12]*set
	for i := range 2 {
		a, p := &s.repairers[i], &s.provers[i]
		for try := range a.writes {
			if waits := a.phase == confirming && int(a.try) == try; !waits {
				v.forget(&a.writes[try])
			}
		}
		v.forget(&p.write)
		copy(sets[6*i:], []*set{&s.has[i], &a.arrived, &a.writes[0].arrived, &a.writes[1].arrived, &p.read, &p.write.arrived})
	}
	if v.replicas > 1 {
		rows := s.rows
		order := v.cluster().order(func(r int) uint64 { return rows[r].key()<<16 | row(sets[:], r) })
		for r := range v.replicas {
			s.rows[order.place[r]] = rows[r]
		}
		for _, set := range sets {
			*set = order.sort(*set)
		}
	}
	if v.provers == 2 && s.provers[0].key() > s.provers[1].key() {
		s.provers[0], s.provers[1] = s.provers[1], s.provers[0]
	}
	return s
}

func (v openings) forget(w *rowWrite) {
	if w.arrived == v.cluster().replicas() {
		*w = rowWrite{}
	}
}
