package faults

import "time"

// Doubt is a time in which a data centre may list too little or too much: from
// when one of its replicas forgot something until the cluster was repaired. A
// quorum may have acknowledged what only one replica still has. At the end
// nothing of that is missing: a doubt excuses no final pass, and nothing but
// listings.
type Doubt struct {
	DC       string
	From, To time.Time // To is zero while it lasts

	// What had returned before Since is not forgotten, nor is what was called
	// after Until. Since is zero if everything may be.
	Since, Until time.Time
}

// covers reports whether an operation was under way in that time.
func (d Doubt) covers(op *Op) bool {
	return op.DC == d.DC && !op.Return.Before(d.From) && (d.To.IsZero() || !op.Call.After(d.To))
}

// mayForget reports whether a delivery or a removal may be what the replica
// forgot.
func (d Doubt) mayForget(op *Op) bool {
	kept := op.Outcome == OK && op.Return.Before(d.Since)
	return !kept && op.Call.Before(d.Until)
}

// excused reports whether a doubt explains that a listing has a message, or
// that it does not. If so, the listing says nothing about the message.
func (c *checker) excused(l *life, list *listing, has bool) bool {
	if list.Final {
		return false
	}
	about := l.removes // forgotten: it is listed again
	if !has {
		about = c.deliveries(l)
	}
	for _, d := range c.doubts {
		if !d.covers(list.Op) {
			continue
		}
		for _, op := range about {
			if d.mayForget(op) {
				return true
			}
		}
	}
	return false
}

// deliveries returns the deliveries that may have been that of a message: those
// that were acknowledged with its ID, or else those of its body that failed.
func (c *checker) deliveries(l *life) (list []*Op) {
	if len(l.added) > 0 || l.body == (Body{}) {
		return l.added
	}
	for _, op := range c.attempts[delivered{l.user, l.body}] {
		if op.Outcome != OK {
			list = append(list, op)
		}
	}
	return list
}
