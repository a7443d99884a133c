package faults

import (
	"fmt"
	"slices"
)

// checkContent compares what was retrieved with what was delivered, and with
// what was retrieved or listed before.
func (c *checker) checkContent(l *life) {
	if len(l.added) > 1 {
		var evidences []Evidence
		for _, op := range l.added {
			evidences = append(evidences, evidence(op, "acknowledged as this ID: %s", bodyName(op.Body)))
		}
		c.violated(Corrupt, l, fmt.Sprintf("%d deliveries were acknowledged as one ID", len(l.added)), evidences...)
	}
	for _, op := range l.reads {
		switch {
		case op.Torn != "":
			c.violated(Corrupt, l, "torn: "+op.Torn, c.withOrigin(l, evidence(op, "%s: %s", bodyName(op.Body), op.Torn))...)
		case op.Outcome == OK && op.Body != l.body:
			c.violated(Corrupt, l, "the wrong text: "+bodyName(op.Body), c.withOrigin(l, evidence(op, "retrieved %s", bodyName(op.Body)))...)
		}
	}
	var first sighting
	for _, s := range l.message {
		switch {
		case s.Size <= 0:
		case first.op == nil:
			first = s
		case s.Size != first.Size:
			c.violated(Corrupt, l, fmt.Sprintf("%d octets, and %d", first.Size, s.Size),
				evidence(first.op, "%d octets", first.Size), evidence(s.op, "%d octets", s.Size))
			return
		}
	}
}

// withOrigin adds the origin of the expected text: the delivery, or else the
// first retrieval.
func (c *checker) withOrigin(l *life, e Evidence) []Evidence {
	if added := l.acknowledged(); added != nil {
		return []Evidence{e, evidence(added, "delivered %s", bodyName(added.Body))}
	}
	for _, op := range l.reads {
		if op.Outcome == OK && op.Torn == "" && op.Body == l.body {
			return []Evidence{e, evidence(op, "retrieved %s", bodyName(op.Body))}
		}
	}
	return []Evidence{e}
}

// checkGone looks at each "no such message". After an attempt that failed this
// may be true, since the attempt is undone; then the final pass does not have
// the message.
func (c *checker) checkGone(l *life) {
	for _, op := range l.reads {
		if op.Outcome != Gone || op.User != l.user || l.mayBeRemoved(op.Return) {
			continue
		}
		if added := l.acknowledged(); added != nil {
			c.violated(WronglyGone, l, "acknowledged, not removed, and answered with no such message",
				evidence(added, "acknowledged"), evidence(op, "no such message"))
			continue
		}
		for _, dc := range c.dcs {
			list := c.final[place{dc, l.user}]
			if list == nil {
				continue
			}
			if list.has[l] {
				c.violated(WronglyGone, l, "answered with no such message, and in the final pass of "+dc,
					evidence(op, "no such message"), evidence(list.Op, "has it"))
			}
		}
	}
}

// checkUIDL expects one unique-id for each message, and one message for each
// unique-id of a mailbox.
func (c *checker) checkUIDL(l *life) {
	var first sighting
	for _, s := range l.message {
		if s.UIDL == "" {
			continue
		}
		key := uniqueID{l.user, s.UIDL}
		if owner, taken := c.uidls[key]; taken && owner.life != l {
			c.violated(ChangedUIDL, l, fmt.Sprintf("the unique-id %s is that of %s, too", s.UIDL, owner.life.id),
				evidence(owner.op, "%s is %s", owner.life.id, s.UIDL), evidence(s.op, "%s is %s", l.id, s.UIDL))
		} else if !taken {
			c.uidls[key] = ownership{l, s.op}
		}
		if first.op == nil {
			first = s
		} else if s.UIDL != first.UIDL {
			c.violated(ChangedUIDL, l, fmt.Sprintf("the unique-id was %s and is %s", first.UIDL, s.UIDL),
				evidence(first.op, "%s", first.UIDL), evidence(s.op, "%s", s.UIDL))
		}
	}
}

// checkAgain looks at what a repair delivered again. It lay in a closed range,
// and so was not listed: that must not happen to an acknowledged message.
func (c *checker) checkAgain(l *life) {
	if l.again == nil {
		return
	}
	c.report.Again++
	if added := l.acknowledged(); added != nil {
		c.violated(Missed, l, "acknowledged, and delivered again by a repair: it lay in a range that was recorded as empty",
			evidence(added, "acknowledged"), evidence(l.again.op, "it is %s now", l.again.ID))
	}
}

// checkTwice expects each message at most once on each list.
func (c *checker) checkTwice(l *life) {
	for _, dc := range c.dcs {
		for _, list := range c.listings[place{dc, l.user}] {
			if slices.Contains(list.twice, l) {
				c.violated(ChangedUIDL, l, "twice on one list of "+dc+", with one unique-id", evidence(list.Op, "has it twice"))
				break
			}
		}
	}
}

type uniqueID struct{ user, uidl string }

type ownership struct {
	life *life
	op   *Op
}
