package faults

import (
	"cmp"
	"fmt"
	"slices"
)

// checkOrigin expects a delivery for each ID that was seen, and no more IDs of
// a body than its deliveries explain.
func (c *checker) checkOrigin() {
	copies := make(map[delivered][]*life)
	var order []delivered
	nameless := make(map[string][]*life) // by user: without a known text, and not acknowledged
	for _, l := range c.lives {
		switch {
		case l.body != (Body{}):
			key := delivered{l.user, l.body}
			if copies[key] == nil {
				order = append(order, key)
			}
			copies[key] = append(copies[key], l)
		case l.seen != nil:
			nameless[l.user] = append(nameless[l.user], l)
		}
	}
	for _, key := range order {
		c.checkCopies(c.attempts[key], copies[key])
	}
	for _, user := range c.users {
		c.checkNameless(user, nameless[user])
	}
}

// checkCopies compares the IDs of one body with the attempts to deliver it. An
// attempt that was not acknowledged may leave a message, too.
func (c *checker) checkCopies(attempts []*Op, copies []*life) {
	acknowledged, uncertain := 0, 0
	for _, op := range attempts {
		if op.Outcome == OK {
			acknowledged++
		} else {
			uncertain++
		}
	}
	for _, l := range copies {
		if len(l.added) == 0 && (len(attempts) == 0 || !attempts[0].Call.Before(l.seen.Return)) {
			c.violated(Phantom, l, "nobody had delivered that to "+l.user, evidence(l.seen, "shows it"))
			return
		}
	}
	extra := len(copies) - acknowledged
	if extra > uncertain {
		var evidences []Evidence
		for _, op := range attempts {
			evidences = append(evidences, evidence(op, "%s", cmp.Or(op.Message.ID, "an attempt")))
		}
		for _, l := range copies {
			if len(l.added) == 0 {
				evidences = append(evidences, evidence(l.seen, "shows it as %s", l.id))
			}
		}
		c.violated(Duplicated, copies[len(copies)-1], fmt.Sprintf("under %d IDs: of its attempts %d were acknowledged and %d were not", len(copies), acknowledged, uncertain), evidences...)
		return
	}
	c.report.Copies += max(0, len(copies)-max(1, acknowledged))
}

// checkNameless expects, for each ID that was only listed, an earlier attempt
// for the user that was not acknowledged.
func (c *checker) checkNameless(user string, lives []*life) {
	slices.SortStableFunc(lives, func(a, b *life) int { return a.seen.Return.Compare(b.seen.Return) })
	for i, l := range lives {
		uncertain := 0
		for _, op := range c.delivered {
			if op.User == user && op.Outcome != OK && op.Call.Before(l.seen.Return) {
				uncertain++
			}
		}
		if i >= uncertain {
			c.violated(Phantom, l, fmt.Sprintf("listed, with %d others that nobody acknowledged, and only %d attempts had failed", i, uncertain), evidence(l.seen, "shows it"))
		}
	}
}
