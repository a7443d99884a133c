package faults

import (
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// In one data centre, a message is absent, then present, then removed, and
// stays so. Porcupine finds out, for each message by itself, whether the
// operations can be put into an order in which that is true, and in which each
// one comes before those that were called after it had returned.

// linearLimit is how long all of it may take. The rest is reported as unknown.
const linearLimit = 2 * time.Minute

// The states of a message in one data centre.
const (
	absent = iota
	present
	removed
)

// deed is what an operation does to one message.
type deed int

const (
	add     deed = iota
	take         // it off the list
	see          // it on the list
	seeNone      // of it on the list
)

// message is the model.
var message = porcupine.Model{
	Init: func() any { return absent },
	Step: func(state, input, _ any) (bool, any) {
		switch now := state.(int); input.(deed) {
		case add:
			return true, max(now, present)
		case take: // wins, also if it comes first
			return true, removed
		case see:
			return now == present, now
		default:
			return now != present, now
		}
	},
}

// checkLinear checks every message that was delivered in one data centre, and
// was removed only there or not at all.
func (c *checker) checkLinear(limit time.Duration) {
	began := time.Now()
	for _, l := range c.lives {
		dc, deliveries := c.home(l)
		if dc == "" {
			c.report.Linear.Skipped++
			continue
		}
		left := limit - time.Since(began)
		if left <= 0 {
			c.report.Linear.Unknown++
			continue
		}
		steps, ops := c.steps(l, dc, deliveries)
		switch porcupine.CheckOperationsTimeout(message, ops, left) {
		case porcupine.Ok:
			c.report.Linear.Checked++
		case porcupine.Unknown:
			c.report.Linear.Unknown++
		case porcupine.Illegal:
			c.report.Linear.Checked++
			c.violated(NotLinear, l, "no order explains what "+dc+" showed of it", steps...)
		}
	}
}

// home returns the data centre that accepted a message, and the deliveries that
// may have been it. It is "" if that is not known, if another data centre
// removed the message, or if a repair delivered it again.
func (c *checker) home(l *life) (dc string, deliveries []*Op) {
	if l.again != nil {
		return "", nil
	}
	deliveries = c.deliveries(l)
	if len(deliveries) == 0 {
		return "", nil
	}
	dc = deliveries[0].DC
	for _, ops := range [][]*Op{deliveries, l.removes} {
		for _, op := range ops {
			if op.DC != dc {
				return "", nil
			}
		}
	}
	return dc, deliveries
}

// steps returns the operations about one message in its data centre. Listings
// that follow from the others are left out, so that few are left: those without
// it that returned before it was delivered, or were called after its removal
// had returned; and those with it between two others with it.
func (c *checker) steps(l *life, dc string, deliveries []*Op) (steps []Evidence, ops []porcupine.Operation) {
	note := func(op *Op, s deed, text string, open bool) {
		until := op.Return.UnixNano()
		if open {
			until = math.MaxInt64
		}
		steps = append(steps, evidence(op, "%s", text))
		ops = append(ops, porcupine.Operation{ClientId: len(ops), Input: s, Call: op.Call.UnixNano(), Return: until})
	}
	for _, op := range deliveries {
		note(op, add, "adds it", op.Outcome != OK)
		if op.Outcome != OK { // it is undone
			note(op, take, "may be undone", true)
		}
	}
	for _, op := range l.removes {
		note(op, take, "removes it", op.Outcome != OK)
	}
	var lists []*listing
	for _, list := range c.listings[place{dc, l.user}] {
		if !c.excused(l, list, list.has[l]) {
			lists = append(lists, list)
		}
	}
	var firstSeen, lastSeen *Op // the first to return, the last to be called
	for _, list := range lists {
		if _, has := list.has[l]; has {
			if firstSeen == nil || list.Return.Before(firstSeen.Return) {
				firstSeen = list.Op
			}
			lastSeen = list.Op
		}
	}
	for _, list := range lists {
		_, has := list.has[l]
		switch {
		case has && firstSeen.Return.Before(list.Call) && list.Return.Before(lastSeen.Call):
		case has:
			note(list.Op, see, "has it", false)
		case list.Return.Before(deliveries[0].Call), l.removed(list.Call) != nil:
		default:
			note(list.Op, seeNone, "does not have it", false)
		}
	}
	return steps, ops
}
