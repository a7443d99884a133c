package faults

import (
	"fmt"
	"slices"
	"time"
)

// Class is what is wrong with a message.
type Class string

const (
	// Lost: it was acknowledged, no removal may have removed it, and the final
	// pass of a data centre does not list it (P1).
	Lost Class = "lost"

	// Missed: it was acknowledged, no removal may have removed it, and a
	// listing of the same data centre that began later does not have it (P1).
	// In the other data centre that is staleness.
	Missed Class = "missed"

	// Resurrected: its removal was acknowledged, and a listing of the same data
	// centre that began later has it, or the final pass of any data centre
	// (P3). Or, in the data centre that accepted it, it was off the list and
	// came back: a removal that failed leaves a message wholly there or wholly
	// gone (P4).
	Resurrected Class = "resurrected"

	// Duplicated: one body has more IDs than its attempts explain.
	Duplicated Class = "duplicated"

	// Corrupt: what was retrieved is not what was delivered or retrieved before
	// with that ID, or it is torn; or it has two sizes; or two deliveries were
	// acknowledged with one ID (P2, P6).
	Corrupt Class = "corrupt"

	// ChangedUIDL: a message has two unique-ids, or two messages have the same
	// (P5).
	ChangedUIDL Class = "UIDL changed"

	// WronglyGone: the answer was "no such message", which is final, and no
	// removal may have removed the message before (P2).
	WronglyGone Class = "gone"

	// Unreadable: the final pass lists it and cannot retrieve it (P2).
	Unreadable Class = "unreadable"

	// Phantom: it was listed or retrieved, and was not delivered there.
	Phantom Class = "phantom"

	// Halfway: the final pass of one data centre lists it and that of another
	// one does not, after an attempt or a removal that failed, and was neither
	// undone nor finished (P4).
	Halfway Class = "halfway"

	// NotLinear: what one data centre showed of the message cannot be ordered
	// as absent, then present, then removed, whatever the order of concurrent
	// operations.
	NotLinear Class = "not linearizable"
)

// Violation is a message, or a body, for which a promise was broken.
type Violation struct {
	Class    Class
	User     string
	ID       string `json:",omitempty"`
	Body     string `json:",omitempty"`
	Text     string
	Evidence []Evidence
}

// Evidence is an operation, without the other messages that it is about.
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
	Note    string `json:",omitempty"` // what it says about this message
}

// Check reports what became of each message of a history. Only what was
// acknowledged is promised. An operation that failed, or whose end is not
// known, may have happened at any time after its call, or not at all.
func Check(ops []Op, faults []Fault, doubts ...Doubt) Report {
	return check(ops, faults, doubts, linearLimit)
}

func check(ops []Op, faults []Fault, doubts []Doubt, linearLimit time.Duration) Report {
	c := &checker{history: newHistory(ops), doubts: doubts, uidls: make(map[uniqueID]ownership)}
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
	doubts        []Doubt
	report        Report
	uidls         map[uniqueID]ownership
	stale, lagged []time.Duration // of deliveries and of removals
}

// violated notes a violation. The evidence is in the order of the calls.
func (c *checker) violated(class Class, l *life, text string, evidence ...Evidence) {
	slices.SortStableFunc(evidence, func(a, b Evidence) int { return a.Call.Compare(b.Call) })
	c.report.Violations = append(c.report.Violations, Violation{
		Class: class, User: l.user, ID: l.id, Body: bodyName(l.body), Text: text, Evidence: evidence,
	})
}

// evidence returns what an operation says about one message.
func evidence(op *Op, note string, values ...any) Evidence {
	return Evidence{
		Kind: op.Kind, DC: op.DC, Host: op.Host, Worker: op.Worker, Call: op.Call, Return: op.Return,
		Outcome: op.Outcome, Error: op.Error, Final: op.Final, Note: fmt.Sprintf(note, values...),
	}
}

// bodyName returns a name for a body, with as much of its hash as people
// compare.
func bodyName(b Body) string {
	if b == (Body{}) {
		return ""
	}
	return fmt.Sprintf("%s #%d %.8s", b.Writer, b.Seq, b.Hash)
}
