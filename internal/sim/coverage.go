package sim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/faults"
	"github.com/popcask/popcask/internal/sim/cluster"
)

// outcome is how an attempt at a statement ended, or what interrupted the
// process before it.
type outcome int

const (
	ended outcome = iota
	timedOut
	unavailable
	unanswered
	refused
	killedBefore
	frozenBefore
	outcomes
)

var outcomeNames = [outcomes]string{"ok", "time-out", "unavailable", "no node", "error", "killed before", "frozen before"}

func (o outcome) String() string { return outcomeNames[o] }

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return ended
	case errors.Is(err, cluster.ErrTimeout):
		return timedOut
	case errors.Is(err, cluster.ErrUnavailable):
		return unavailable
	case errors.Is(err, errNoNode):
		return unanswered
	}
	return refused
}

// Coverage is what the histories of a search have met.
type Coverage struct {
	Histories  int
	Events     int
	Statements int
	States     int // of the world, see [State]
	Operations map[faults.Kind]map[faults.Outcome]int
	Verbs      map[string]int
	Pairs      map[[2]string]int // verbs that had an effect in one history, the second one after the first
	ByText     map[string]*[outcomes]int
	Dearest    map[string]int // by verb: attempts at statements of one operation, at most

	byStatement map[*cql.Statement]*[outcomes]int
}

// NewCoverage returns a coverage of nothing.
func NewCoverage() *Coverage {
	return &Coverage{
		Operations: make(map[faults.Kind]map[faults.Outcome]int), Verbs: make(map[string]int), Pairs: make(map[[2]string]int),
		ByText: make(map[string]*[outcomes]int), Dearest: make(map[string]int), byStatement: make(map[*cql.Statement]*[outcomes]int),
	}
}

// count counts an attempt at a statement.
func (c *Coverage) count(st *cql.Statement, o outcome) {
	of := c.byStatement[st]
	if of == nil {
		if of = c.ByText[st.String()]; of == nil {
			of = new([outcomes]int)
			c.ByText[st.String()] = of
		}
		c.byStatement[st] = of
	}
	of[o]++
}

// spent records how many statements an operation took.
func (c *Coverage) spent(verb string, statements int) {
	c.Dearest[verb] = max(c.Dearest[verb], statements)
}

// played adds a history that was played.
func (c *Coverage) played(w *world) {
	c.Histories++
	c.Events += len(w.met)
	c.Statements += w.statements
	for i, second := range w.met {
		c.Verbs[second.Verb]++
		for _, first := range w.met[max(0, i-4):i] {
			c.Pairs[[2]string{first.Verb, second.Verb}]++
		}
	}
	for _, op := range w.ops {
		if c.Operations[op.Kind] == nil {
			c.Operations[op.Kind] = make(map[faults.Outcome]int)
		}
		if !op.Final {
			c.Operations[op.Kind][op.Outcome]++
		}
	}
}

// Add adds what another process has met.
func (c *Coverage) Add(other *Coverage) {
	c.Histories += other.Histories
	c.Events += other.Events
	c.Statements += other.Statements
	c.States = max(c.States, other.States) // they may be the same
	for kind, outcomes := range other.Operations {
		if c.Operations[kind] == nil {
			c.Operations[kind] = make(map[faults.Outcome]int)
		}
		for outcome, n := range outcomes {
			c.Operations[kind][outcome] += n
		}
	}
	for verb, n := range other.Verbs {
		c.Verbs[verb] += n
	}
	for verb, n := range other.Dearest {
		c.spent(verb, n)
	}
	for pair, n := range other.Pairs {
		c.Pairs[pair] += n
	}
	for text, counts := range other.ByText {
		if c.ByText[text] == nil {
			c.ByText[text] = new([outcomes]int)
		}
		for i, n := range counts {
			c.ByText[text][i] += n
		}
	}
}

// String returns the report: which events happened, which statements were
// interrupted and how, and which pairs of events never met within five events.
func (c *Coverage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d histories, %d events, %d statements, %d states or more\n\n", c.Histories, c.Events, c.Statements, c.States)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, kind := range []faults.Kind{faults.Deliver, faults.List, faults.Retrieve, faults.Remove} {
		fmt.Fprintf(t, "%s", kind)
		for _, outcome := range []faults.Outcome{faults.OK, faults.Failed, faults.Unknown, faults.Gone} {
			fmt.Fprintf(t, "\t%s %d", outcome, c.Operations[kind][outcome])
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	fmt.Fprint(&b, "\nevents\n")
	names := slices.SortedFunc(maps.Keys(c.Verbs), func(a, b string) int { return cmp.Compare(c.Verbs[b], c.Verbs[a]) })
	for _, name := range names {
		fmt.Fprintf(&b, "  %s %d", name, c.Verbs[name])
	}
	fmt.Fprint(&b, "\n\nstatements of one operation, at most\n")
	for _, verb := range slices.Sorted(maps.Keys(c.Dearest)) {
		fmt.Fprintf(&b, "  %s %d", verb, c.Dearest[verb])
	}
	fmt.Fprint(&b, "\n\nstatements\n")
	fmt.Fprintf(t, "%s\t\n", strings.Join(outcomeNames[:], "\t"))
	for _, text := range slices.Sorted(maps.Keys(c.ByText)) {
		for _, n := range c.ByText[text] {
			fmt.Fprintf(t, "%d\t", n)
		}
		fmt.Fprintf(t, "%s\n", text)
	}
	t.Flush()
	c.writeNever(&b)
	return b.String()
}

// writeNever names the pairs of events that never met.
func (c *Coverage) writeNever(b *strings.Builder) {
	var never []string
	for _, first := range slices.Sorted(maps.Keys(verbs)) {
		for _, second := range slices.Sorted(maps.Keys(verbs)) {
			if c.Verbs[first] > 0 && c.Verbs[second] > 0 && c.Pairs[[2]string{first, second}] == 0 {
				never = append(never, first+"+"+second)
			}
		}
	}
	fmt.Fprintf(b, "\npairs of events that never met within five events: %d of %d\n  %s\n", len(never), len(c.Verbs)*len(c.Verbs), strings.Join(never, " "))
}
