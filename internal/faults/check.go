package faults

import (
	"fmt"
	"slices"
	"time"
)

// Class is what is wrong with a message.
type Class string

const (
	// Lost: acknowledged, nobody may have removed it, and the final pass of a
	// data centre does not list it (P1).
	Lost Class = "lost"

	// Missed: acknowledged, nobody may have removed it, and a listing of the
	// same data centre that began later does not have it (P1). In the other
	// data centre that is staleness.
	Missed Class = "missed"

	// Resurrected: its removal was acknowledged, and a listing of the same data
	// centre that began later has it, or the final pass of any (P3). Or, in the
	// data centre that took it in, it was off the list and came back: a removal
	// that failed leaves a message wholly there or wholly gone (P4).
	Resurrected Class = "resurrected"

	// Duplicated: one body under more IDs than its attempts explain.
	Duplicated Class = "duplicated"

	// Corrupt: what was retrieved is not what was delivered under the ID, or
	// not what was retrieved under it before, or torn; or it has two sizes; or
	// two deliveries were acknowledged as one ID (P2, P6).
	Corrupt Class = "corrupt"

	// ChangedUIDL: a message with two unique-ids, or two with one (P5).
	ChangedUIDL Class = "UIDL changed"

	// WronglyGone: "no such message", which is final, about a message that
	// nobody may have removed before that answer (P2).
	WronglyGone Class = "gone"

	// Unreadable: the final pass lists it and cannot retrieve it (P2).
	Unreadable Class = "unreadable"

	// Phantom: it was listed or retrieved and nobody delivered it there.
	Phantom Class = "phantom"

	// Halfway: the final pass of one data centre lists it and that of another
	// one does not: an attempt or a removal that failed and was neither undone
	// nor finished (P4).
	Halfway Class = "halfway"

	// NotLinear: what one data centre showed of the message is not absent, then
	// present, then removed, in any order of what was done at the same time.
	NotLinear Class = "not linearizable"
)

// Violation is one message, or body, that is not as it was promised.
type Violation struct {
	Class    Class
	User     string
	ID       string `json:",omitempty"`
	Body     string `json:",omitempty"`
	Text     string
	Evidence []Evidence
}

// Evidence is an operation without what it says of other messages.
type Evidence struct {
	Kind    Kind
	DC      string
	Host    string
	Worker  int
	Call    time.Time
	Return  time.Time
	Outcome Outcome
	Error   string `json:",omitempty"`
	Final   bool   `json:",omitempty"`
	Note    string `json:",omitempty"` // what it says of this message
}

// Check tells what became of each message of a history. Only what was
// acknowledged is promised. What failed, or was not heard of again, may have
// happened at any time from its call on, or not at all.
func Check(ops []Op, faults []Fault) Report { return check(ops, faults, linearLimit) }

func check(ops []Op, faults []Fault, linearLimit time.Duration) Report {
	c := &checker{history: newHistory(ops), uidls: make(map[uniqueID]ownership)}
	c.report.From, c.report.To = c.span()
	c.report.Faults = len(faults)
	for _, l := range c.lives {
		c.checkListing(l)
		c.checkHalfway(l)
		c.checkContent(l)
		c.checkGone(l)
		c.checkUIDL(l)
		c.checkAgain(l)
		c.checkTwice(l)
	}
	c.checkOrigin()
	c.checkFinalPass()
	c.checkLinear(linearLimit)
	c.count()
	c.report.Availability = availability(c.ops, faults)
	return c.report
}

// checker is one check.
type checker struct {
	*history
	report        Report
	uidls         map[uniqueID]ownership
	stale, lagged []time.Duration // of additions and of removals
}

// violated notes a violation. The evidence is in the order of the calls.
func (c *checker) violated(class Class, l *life, text string, evidence ...Evidence) {
	slices.SortStableFunc(evidence, func(a, b Evidence) int { return a.Call.Compare(b.Call) })
	c.report.Violations = append(c.report.Violations, Violation{
		Class: class, User: l.user, ID: l.id, Body: bodyName(l.body), Text: text, Evidence: evidence,
	})
}

// evidence is what an operation says of one message.
func evidence(op *Op, note string, values ...any) Evidence {
	return Evidence{
		Kind: op.Kind, DC: op.DC, Host: op.Host, Worker: op.Worker, Call: op.Call, Return: op.Return,
		Outcome: op.Outcome, Error: op.Error, Final: op.Final, Note: fmt.Sprintf(note, values...),
	}
}

// bodyName names a body as people do, with as much of its hash as they compare.
func bodyName(b Body) string {
	if b == (Body{}) {
		return ""
	}
	return fmt.Sprintf("%s #%d %.8s", b.Writer, b.Seq, b.Hash)
}
