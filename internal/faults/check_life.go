package faults

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// history is the operations, sorted by what the checker asks.
type history struct {
	ops   []Op    // by their calls
	lives []*life // by the first sight of each ID

	dcs       []string // ascending
	users     []string // ascending
	listings  map[place][]*listing
	final     map[place]*listing // the last one of the final pass
	attempts  map[delivered][]*Op
	delivered []*Op // every attempt
}

// place is a mailbox as one data centre shows it.
type place struct{ dc, user string }

// delivered is a body for a user.
type delivered struct {
	user string
	body Body
}

// listing is a List that was answered.
type listing struct {
	*Op
	has map[string]*Message
}

// life is all that the history says of one message ID.
type life struct {
	id   string
	user string
	body Body // zero where nobody knows

	added   []*Op // deliveries that were acknowledged as this ID: one
	removes []*Op // that may have removed it, by their calls
	reads   []*Op // Retrieve
	seen    *Op   // first List or Retrieve that shows it
	message []sighting
}

// sighting is what an operation says of the message's size and unique-id. Only
// those that say something new are kept.
type sighting struct {
	op *Op
	Message
}

func newHistory(ops []Op) *history {
	h := &history{
		ops:      slices.Clone(ops),
		listings: make(map[place][]*listing),
		final:    make(map[place]*listing),
		attempts: make(map[delivered][]*Op),
	}
	slices.SortStableFunc(h.ops, func(a, b Op) int { return a.Call.Compare(b.Call) })
	lives := make(map[string]*life)
	dcs, users := make(map[string]bool), make(map[string]bool)
	about := func(op *Op, m Message) *life {
		l := lives[m.ID]
		if l == nil {
			l = &life{id: m.ID, user: op.User}
			lives[m.ID] = l
			h.lives = append(h.lives, l)
		}
		l.sight(op, m)
		return l
	}
	for i := range h.ops {
		op := &h.ops[i]
		dcs[op.DC], users[op.User] = true, true
		switch op.Kind {
		case Deliver:
			h.delivered = append(h.delivered, op)
			key := delivered{op.User, op.Body}
			h.attempts[key] = append(h.attempts[key], op)
			if op.Outcome == OK {
				l := about(op, op.Message)
				l.added = append(l.added, op)
			}
		case List:
			if op.Outcome != OK {
				continue
			}
			has := make(map[string]*Message, len(op.Listed))
			for j := range op.Listed {
				m := &op.Listed[j]
				has[m.ID] = m
				l := about(op, *m)
				l.seen = cmp.Or(l.seen, op)
			}
			at := place{op.DC, op.User}
			list := &listing{op, has}
			h.listings[at] = append(h.listings[at], list)
			if op.Final {
				h.final[at] = list
			}
		case Retrieve:
			l := about(op, op.Message)
			l.reads = append(l.reads, op)
			if op.Outcome == OK {
				l.seen = cmp.Or(l.seen, op)
			}
		case Remove:
			for _, m := range op.Removed {
				l := about(op, m)
				l.removes = append(l.removes, op)
			}
		}
	}
	for _, l := range h.lives {
		l.settle()
	}
	h.dcs, h.users = slices.Sorted(maps.Keys(dcs)), slices.Sorted(maps.Keys(users))
	return h
}

// settle finds out whose it is and what its text is. A delivery knows better
// than whoever saw it first.
func (l *life) settle() {
	for _, op := range l.reads {
		if op.Outcome == OK && op.Torn == "" && l.body == (Body{}) {
			l.body = op.Body
		}
	}
	if len(l.added) > 0 {
		l.user, l.body = l.added[0].User, l.added[0].Body
	}
}

func (l *life) sight(op *Op, m Message) {
	for _, s := range l.message {
		if (m.UIDL == "" || s.UIDL == m.UIDL) && (m.Size <= 0 || s.Size == m.Size) {
			return
		}
	}
	l.message = append(l.message, sighting{op, m})
}

// acknowledged is the delivery, nil where none was acknowledged as this ID.
func (l *life) acknowledged() *Op {
	if len(l.added) == 0 {
		return nil
	}
	return l.added[0]
}

// mayBeRemoved tells whether somebody may have removed it before a moment: a
// removal that fails may have happened, from its call on.
func (l *life) mayBeRemoved(before time.Time) bool {
	return len(l.removes) > 0 && l.removes[0].Call.Before(before)
}

// removed is the first removal that was acknowledged before a moment.
func (l *life) removed(before time.Time) (first *Op) {
	for _, op := range l.removes {
		if op.Outcome == OK && !op.Return.After(before) && (first == nil || op.Return.Before(first.Return)) {
			first = op
		}
	}
	return first
}

// span is from the first call to the last return.
func (h *history) span() (from, to time.Time) {
	for i := range h.ops {
		op := &h.ops[i]
		if i == 0 {
			from = op.Call
		}
		for _, t := range []time.Time{op.Call, op.Return} {
			if t.After(to) {
				to = t
			}
		}
	}
	return from, to
}
