package sim

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/faults"
	"github.com/popcask/popcask/mailbox"
)

// What the judge finds besides what the checker of package faults finds.
const (
	// Hidden: an acknowledged message is in the index and in no listing, after
	// the cluster was repaired and before the library's repair has run: no
	// session will see it, and nothing removes it (P1, P4).
	Hidden faults.Class = "hidden"

	// NeverEnds: an operation, or what it has left in the background, does not
	// come to an end, or a host does not start, although all is well (P8).
	NeverEnds faults.Class = "never ends"

	// Unmended: after the library's repair and the cluster's there is still
	// something to repair.
	Unmended faults.Class = "unmended"

	// Costly: an operation takes more statements than one that fails may (P8).
	Costly faults.Class = "costly"
)

// Verdict is what the judge says of a history.
type Verdict struct {
	Violations []faults.Violation
	Met        []Event // that had an effect
	Statements int
	Hash       uint64 // of all that happened
	Ops        []faults.Op
	States     []Sighting // that it went through
	Trace      []string   // of PlayWithTrace
}

// Class returns the class of the first violation, or "".
func (v Verdict) Class() faults.Class {
	if len(v.Violations) == 0 {
		return ""
	}
	return v.Violations[0].Class
}

// Has reports whether the history has a violation of the class.
func (v Verdict) Has(class faults.Class) bool {
	return slices.ContainsFunc(v.Violations, func(of faults.Violation) bool { return of.Class == class })
}

// violate records a violation that the checker cannot see.
func (w *world) violate(class faults.Class, format string, args ...any) {
	w.violations = append(w.violations, faults.Violation{Class: class, Text: fmt.Sprintf(format, args...)})
}

// end heals everything, repairs as PROMISES.md asks of an operator, and looks
// at all mailboxes in every data centre.
func (w *world) end() {
	w.heal()
	if len(w.violations) > 0 {
		return
	}
	w.setInline(true)
	if !w.fullRepair([3]int{}) {
		w.violate(NeverEnds, "the cluster cannot be repaired")
		return
	}
	dcs := w.centres()
	for _, h := range w.hosts {
		w.kill(h) // what they remember must not help
	}
	w.lookForHidden(dcs[0])
	w.repair(dcs[0])
	for _, dc := range dcs {
		w.finalPass(dc)
	}
}

// heal ends the faults, and lets everything that was begun come to its end.
func (w *world) heal() {
	for _, h := range w.hosts {
		h.frozen, h.freezes, h.crashes, h.drops, h.refuses = false, -1, -1, -1, -1
	}
	w.cut = false
	w.cluster.SetThresholds(1_000, 100_000)
	for _, n := range w.nodes {
		n.down, n.overloaded = false, false
	}
	w.run(w.finished)
	w.drain()
	w.pass(2*w.horizon + 5*time.Hour) // no message is young, and no purge waits
	w.drain()
	w.arriveAll([3]int{})
}

func (w *world) centres() (dcs []string) {
	for _, n := range w.nodes {
		if !slices.Contains(dcs, n.DC) && w.cluster.Replication()[n.DC] > 0 {
			dcs = append(dcs, n.DC)
		}
	}
	return dcs
}

// visitor returns a process that looks at mailboxes after the end, or nil. When
// it has looked it is killed, and with it what it does in the background.
func (w *world) visitor(name, dc string) *host {
	h := w.newHost(-1, name, dc)
	if err := w.connect(h); err != nil {
		w.violate(NeverEnds, "%v", err)
		return nil
	}
	return h
}

// users returns those who were ever named in the history.
func (w *world) users() (users []string) {
	for _, op := range w.ops {
		if !slices.Contains(users, op.User) {
			users = append(users, op.User)
		}
	}
	return users
}

// lookForHidden compares the index with what sessions list. The cluster is
// repaired, so that they miss nothing.
func (w *world) lookForHidden(dc string) {
	h := w.visitor("look/"+dc, dc)
	if h == nil {
		return
	}
	defer w.kill(h)
	acknowledged := make(map[string]bool)
	for _, op := range w.ops {
		if op.Kind == faults.Deliver && op.Outcome == faults.OK {
			acknowledged[op.Message.ID] = true
		}
	}
	listed := make(map[string]bool)
	for _, user := range w.users() {
		for _, m := range h.listAll(user, false) {
			listed[m.ID] = true
		}
	}
	for entry, err := range h.index.Scan(context.Background(), math.MinInt64, math.MaxInt64) {
		if err != nil {
			w.violate(NeverEnds, "the index cannot be read: %v", err)
			return
		}
		if id := entry.ID.String(); acknowledged[id] && !listed[id] {
			w.violate(Hidden, "%s was acknowledged, is in the index, and is in no listing", id)
		}
	}
}

// repair runs the library's repair, and the cluster's after it, since the
// library writes at the level of one data centre.
func (w *world) repair(dc string) {
	h := w.visitor("repair/"+dc, dc)
	if h == nil {
		return
	}
	defer w.kill(h)
	for _, user := range w.users() {
		report, err := h.worker.Store.Repair(context.Background(), user, cassandra.RepairOptions{Confirm: w.horizon, RemoveIncomplete: true})
		if err != nil {
			w.violate(NeverEnds, "the mailbox of %s cannot be repaired: %v", user, err)
		}
		for _, f := range report.Findings {
			w.note("the repair finds: %s %s, mended: %t", f.Kind, f.ID, f.Mended)
		}
	}
	w.fullRepair([3]int{})
	if w.replicated { // what would remove something is postponed for a week
		return
	}
	for _, user := range w.users() {
		report, err := h.worker.Store.Verify(context.Background(), user)
		if err != nil {
			w.violate(NeverEnds, "the mailbox of %s cannot be verified: %v", user, err)
		}
		for _, f := range report.Findings {
			w.violate(Unmended, "after a repair of everything: %s %s", f.Kind, f.ID)
		}
	}
}

// finalPass lists every mailbox and retrieves all of it.
func (w *world) finalPass(dc string) {
	h := w.visitor("final/"+dc, dc)
	if h == nil {
		return
	}
	defer w.kill(h)
	for _, user := range w.users() {
		h.listAll(user, true)
	}
}

// listAll lists a mailbox and, in the final pass, retrieves all of it.
func (h *host) listAll(user string, final bool) []faults.Message {
	ctx := context.Background()
	box, err := h.worker.Store.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		h.world.violate(NeverEnds, "the mailbox of %s cannot be opened: %v", user, err)
		return nil
	}
	defer box.Close()
	messages, err := h.worker.List(ctx, box, faults.Op{Kind: faults.List, User: user, Final: final})
	if err != nil {
		h.world.violate(NeverEnds, "the mailbox of %s cannot be listed: %v", user, err)
	}
	for _, m := range messages {
		if final {
			h.worker.Retrieve(ctx, box, user, m, true)
		}
	}
	return messages
}

// judge checks what was recorded.
func (w *world) judge() []faults.Violation {
	violations := slices.Concat(faults.Check(w.excused(), nil).Violations, w.violations)
	return slices.DeleteFunc(violations, func(v faults.Violation) bool { return w.ignore[v.Class] })
}
