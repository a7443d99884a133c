package model

// replace lets a replica forget everything, and take over what another one has.
func (v openings) replace(s openedState, emit Emit[openedState]) {
	for r := range v.replicas {
		for from := range v.cluster().replicas().without(r).each {
			t := s
			t.rows[r] = s.rows[from]
			for m := range s.has {
				t.has[m] = copied(s.has[m], from, r)
			}
			v.lose(s, t, emit, "R%d is replaced, streams from R%d", r+1, from+1)
		}
	}
}

// kill lets a replica forget what it wrote last: a cell, the deletion or all of
// the row, and some messages.
func (v openings) kill(s openedState, emit Emit[openedState]) {
	for r := range v.replicas {
		row, first := s.rows[r], v.first()
		unopened, unsealed, undeleted := row, row, row
		unopened.opened = 0
		unsealed.sealAt, unsealed.sealOf, unsealed.list = first.sealAt, first.sealOf, first.list
		undeleted.deleted = first.deleted
		for kept, row := range []bucketRow{row, unopened, unsealed, undeleted, first} {
			for messages := range set(1) << v.repairers {
				t := s
				t.rows[r] = row
				for m := range messages.each {
					t.has[m] = s.has[m].without(r)
				}
				v.lose(s, t, emit, [...]string{
					"R%d is killed, forgets messages %03b",
					"R%d is killed, forgets messages %03b and opened",
					"R%d is killed, forgets messages %03b and the seal",
					"R%d is killed, forgets messages %03b and the deletion",
					"R%d is killed, forgets messages %03b and the row",
				}[kept], r+1, int(messages))
			}
		}
	}
}

func (v openings) lose(s, t openedState, emit Emit[openedState], step string, numbers ...int) {
	if t.has != s.has || t.rows != s.rows {
		t.losses++
		emit(t, step, numbers...)
	}
}
