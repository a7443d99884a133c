package faults

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"time"
)

// history has the operations in the forms that the checker needs.
type history struct {
	ops   []Op    // by their calls
	lives []*life // in the order in which the IDs were first seen

	dcs       []string // ascending
	users     []string // ascending
	listings  map[place][]*listing
	final     map[place]*listing // the last one of the final pass
	attempts  map[delivered][]*Op
	delivered []*Op // every attempt

	byID  map[string]*life
	alias map[string]string // the first ID of a message that was delivered again
}

// place is a mailbox as one data centre shows it.
type place struct{ dc, user string }

// delivered is a body for a user.
type delivered struct {
	user string
	body Body
}

// listing is a List that succeeded.
type listing struct {
	*Op
	has   map[*life]bool
	twice []*life // that it has twice, with one ID or with two
}

// life is all that the history says about one message. A repair that finds a
// message in a closed range delivers it again with a new ID. Its unique-id is
// still the old ID: both are one life.
type life struct {
	id   string
	user string
	body Body // zero if it is not known

	added   []*Op // deliveries that were acknowledged with this ID: one
	removes []*Op // that may have removed it, by their calls
	reads   []*Op // Retrieve
	seen    *Op   // first List or Retrieve that shows it
	message []sighting
	again   *sighting // the first one with its second ID
}

// sighting is what an operation says about the message's size and unique-id.
// Only those that differ are kept.
type sighting struct {
	op *Op
	Message
}

func newHistory(ops []Op) *history {
	h := &history{
		ops:      slices.Clone(ops),
		listings: make(map[place][]*listing),
		final:    make(map[place]*listing),
		byID:     make(map[string]*life),
		attempts: make(map[delivered][]*Op),
	}
	slices.SortStableFunc(h.ops, func(a, b Op) int { return a.Call.Compare(b.Call) })
	h.alias = aliases(h.ops)
	dcs, users := make(map[string]bool), make(map[string]bool)
	for i := range h.ops {
		op := &h.ops[i]
		dcs[op.DC], users[op.User] = true, true
		h.add(op)
	}
	for _, l := range h.lives {
		l.settle()
	}
	h.dcs, h.users = slices.Sorted(maps.Keys(dcs)), slices.Sorted(maps.Keys(users))
	return h
}

// add adds an operation to the lives of the messages that it is about.
func (h *history) add(op *Op) {
	switch op.Kind {
	case Deliver:
		h.delivered = append(h.delivered, op)
		key := delivered{op.User, op.Body}
		h.attempts[key] = append(h.attempts[key], op)
		if op.Outcome == OK {
			l := h.about(op, op.Message)
			l.added = append(l.added, op)
		}
	case List:
		if op.Outcome == OK {
			h.addListing(op)
		}
	case Retrieve:
		l := h.about(op, op.Message)
		l.reads = append(l.reads, op)
		if op.Outcome == OK {
			l.seen = cmp.Or(l.seen, op)
		}
	case Remove:
		for _, m := range op.Removed {
			l := h.about(op, m)
			l.removes = append(l.removes, op)
		}
	}
}

func (h *history) addListing(op *Op) {
	list := &listing{Op: op, has: make(map[*life]bool, len(op.Listed))}
	for _, m := range op.Listed {
		l := h.about(op, m)
		l.seen = cmp.Or(l.seen, op)
		if list.has[l] {
			list.twice = append(list.twice, l)
		}
		list.has[l] = true
	}
	at := place{op.DC, op.User}
	h.listings[at] = append(h.listings[at], list)
	if op.Final {
		h.final[at] = list
	}
}

// about returns the life of a message. It begins the life if the operation is
// the first one about the message.
func (h *history) about(op *Op, m Message) *life {
	l := h.of(m)
	if l == nil {
		l = &life{id: cmp.Or(h.alias[m.ID], m.ID), user: op.User}
		h.byID[l.id] = l
		h.lives = append(h.lives, l)
	}
	l.sight(op, m)
	return l
}

var timeBased = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// aliases returns the messages that have another ID as their unique-id, by
// their IDs.
func aliases(ops []Op) map[string]string {
	alias := make(map[string]string)
	for _, op := range ops {
		for _, list := range [][]Message{op.Listed, op.Removed, {op.Message}} {
			for _, m := range list {
				if m.UIDL != m.ID && timeBased.MatchString(m.UIDL) {
					alias[m.ID] = m.UIDL
				}
			}
		}
	}
	return alias
}

// of returns the life of a message, or nil if there is none yet.
func (h *history) of(m Message) *life { return h.byID[cmp.Or(h.alias[m.ID], m.ID)] }

// settle sets the user and the body. An acknowledged delivery knows them better
// than the operation that saw the message first.
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
	if m.ID != l.id && l.again == nil {
		l.again = &sighting{op, m}
	}
	for _, s := range l.message {
		if (m.UIDL == "" || s.UIDL == m.UIDL) && (m.Size <= 0 || s.Size == m.Size) {
			return
		}
	}
	l.message = append(l.message, sighting{op, m})
}

// acknowledged returns the delivery, or nil if none was acknowledged with this
// ID.
func (l *life) acknowledged() *Op {
	if len(l.added) == 0 {
		return nil
	}
	return l.added[0]
}

// mayBeRemoved reports whether a removal may have removed it before a moment:
// one that fails may have happened at any time after its call.
func (l *life) mayBeRemoved(before time.Time) bool {
	return len(l.removes) > 0 && l.removes[0].Call.Before(before)
}

// removed returns the first removal that was acknowledged before a moment.
func (l *life) removed(before time.Time) (first *Op) {
	for _, op := range l.removes {
		if op.Outcome == OK && !op.Return.After(before) && (first == nil || op.Return.Before(first.Return)) {
			first = op
		}
	}
	return first
}

// span returns the time from the first call to the last return.
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
