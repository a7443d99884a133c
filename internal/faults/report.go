package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what became of the messages of a history. It can be written as
// JSON, with durations in nanoseconds.
type Report struct {
	From, To time.Time
	Faults   int

	Ops       map[Kind]map[Outcome]int // without the final pass
	Messages  int                      // acknowledged
	Removed   int                      // of them, acknowledged
	InDoubt   int                      // of them, whose removal was not acknowledged
	Uncertain int                      // seen, and not acknowledged
	Copies    int                      // of one body, after an attempt that was not acknowledged: allowed
	Again     int                      // delivered again by a repair, since they lay in a closed range
	Excused   int                      // missed or back while there was a doubt
	NeverRead int                      // in the final pass, and not listed before

	Stale         Staleness // mail on its way to the other data centre
	StaleRemovals Staleness // removals on their way there

	Linear       Linear
	Violations   []Violation
	Availability []Availability

	// Unverified names what the final pass did not look at.
	Unverified []string
}

// Staleness is how long the other data centre showed an old state: from the
// acknowledgement in the one to the call of the last listing in the other that
// did not show it yet. The final pass does not count: there it is a violation.
type Staleness struct {
	Compared    int // messages, once for each other data centre
	Stale       int // of them, stale in at least one listing
	Median, Max time.Duration
}

// Linear counts the messages that porcupine looked at.
type Linear struct {
	Checked int
	Unknown int // the time was over
	Skipped int // of more than one data centre, or of an unknown one, or delivered again
}

// Clean reports whether no promise was broken. What is unverified, or unknown
// to porcupine, does not count.
func (r Report) Clean() bool { return len(r.Violations) == 0 }

// Of returns the violations of a class.
func (r Report) Of(class Class) (list []Violation) {
	for _, v := range r.Violations {
		if v.Class == class {
			list = append(list, v)
		}
	}
	return list
}

// classes are all classes, the worst first.
var classes = []Class{Lost, Missed, Resurrected, Corrupt, WronglyGone, Unreadable, ChangedUIDL, Duplicated, Phantom, Halfway, NotLinear}

var (
	kindsOf    = []Kind{Deliver, List, Retrieve, Remove}
	outcomesOf = []Outcome{OK, Failed, Unknown, Gone}
)

// count fills in what the report counts.
func (c *checker) count() {
	r := &c.report
	r.Ops = make(map[Kind]map[Outcome]int)
	for _, kind := range kindsOf {
		r.Ops[kind] = make(map[Outcome]int)
	}
	for i := range c.ops {
		if op := &c.ops[i]; !op.Final {
			r.Ops[op.Kind][op.Outcome]++
		}
	}
	early := make(map[*life]bool) // listed before the final pass
	for _, lists := range c.listings {
		for _, list := range lists {
			if !list.Final {
				for l := range list.has {
					early[l] = true
				}
			}
		}
	}
	late := make(map[*life]bool)
	for _, list := range c.final {
		for l := range list.has {
			late[l] = true
		}
	}
	for _, l := range c.lives {
		switch {
		case len(l.added) > 0:
			r.Messages++
			if l.removed(r.To) != nil {
				r.Removed++
			} else if len(l.removes) > 0 {
				r.InDoubt++
			}
		case l.seen != nil:
			r.Uncertain++
		}
		if late[l] && !early[l] {
			r.NeverRead++
		}
	}
	r.Stale.measure(c.stale)
	r.StaleRemovals.measure(c.lagged)
	slices.SortStableFunc(r.Violations, func(a, b Violation) int {
		return cmp.Compare(slices.Index(classes, a.Class), slices.Index(classes, b.Class))
	})
}

func (s *Staleness) measure(times []time.Duration) {
	if s.Stale = len(times); s.Stale == 0 {
		return
	}
	slices.Sort(times)
	s.Median, s.Max = times[(len(times)-1)/2], times[len(times)-1]
}

// shownOfAClass is how many violations of each class the text shows in full.
const shownOfAClass = 10

// String returns the report as text: the verdict first, then the counts, the
// violations with their evidence, and the availability.
func (r Report) String() string {
	var b strings.Builder
	total := 0
	for _, outcomes := range r.Ops {
		for _, n := range outcomes {
			total += n
		}
	}
	verdict := "nothing is wrong"
	if !r.Clean() {
		verdict = fmt.Sprintf("%d VIOLATIONS", len(r.Violations))
	}
	if n := len(r.Unverified) + r.Linear.Unknown; n > 0 {
		verdict += fmt.Sprintf(", and %d NOT VERIFIED", n)
	}
	fmt.Fprintf(&b, "%s: %d operations, faults done: %d, %s to %s (%s)\n\n", verdict, total, r.Faults, r.From.Format("2006-01-02 15:04:05"), clockTime(r.To), rounded(r.To.Sub(r.From)))
	r.writeCounts(&b)
	r.writeViolations(&b)
	r.writeUnverified(&b)
	r.writeAvailability(&b)
	return b.String()
}

func newTable(b *strings.Builder) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

func (r Report) writeCounts(b *strings.Builder) {
	t := newTable(b)
	fmt.Fprint(t, "operation")
	for _, outcome := range outcomesOf {
		fmt.Fprintf(t, "\t%s", outcome)
	}
	fmt.Fprintln(t)
	for _, kind := range kindsOf {
		fmt.Fprintf(t, "%s", kind)
		for _, outcome := range outcomesOf {
			fmt.Fprintf(t, "\t%d", r.Ops[kind][outcome])
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	fmt.Fprintln(b)
	t = newTable(b)
	for _, class := range classes {
		messages := make(map[string]bool) // one may be lost in each data centre
		for _, v := range r.Of(class) {
			messages[v.ID] = true
		}
		fmt.Fprintf(t, "%s\t%d\n", class, len(messages))
	}
	t.Flush()
	fmt.Fprintln(b)
	for _, line := range []struct {
		name  string
		count int
		text  string
	}{
		{"acknowledged", r.Messages, fmt.Sprintf("%d removed, %d may be", r.Removed, r.InDoubt)},
		{"not acknowledged, but seen", r.Uncertain, "allowed"},
		{"second copies", r.Copies, "allowed: an attempt was not acknowledged"},
		{"delivered again", r.Again, "allowed, of what was not acknowledged"},
		{"excused", r.Excused, "missed or back, after a replica forgot and before the cluster was repaired"},
		{"never read", r.NeverRead, "there at the end, and not listed before"},
		{"stale", r.Stale.Stale, r.Stale.String()},
		{"stale removals", r.StaleRemovals.Stale, r.StaleRemovals.String()},
		{"checked by porcupine", r.Linear.Checked, fmt.Sprintf("%d unknown for lack of time, %d left out: of more than one data centre, mostly", r.Linear.Unknown, r.Linear.Skipped)},
	} {
		fmt.Fprintf(t, "%s\t%d\t%s\n", line.name, line.count, line.text)
	}
	t.Flush()
}

// String returns how many were stale, and for how long.
func (s Staleness) String() string {
	return fmt.Sprintf("of %d; median %s, max %s", s.Compared, rounded(s.Median), rounded(s.Max))
}

func (r Report) writeViolations(b *strings.Builder) {
	for _, class := range classes {
		violations := r.Of(class)
		for i, v := range violations {
			if i == shownOfAClass {
				fmt.Fprintf(b, "\n%s: %d more\n", strings.ToUpper(string(class)), len(violations)-i)
				break
			}
			fmt.Fprintf(b, "\n%s: %s\n  user %s, message %s, text %s\n", strings.ToUpper(string(class)), v.Text, v.User, cmp.Or(v.ID, "-"), cmp.Or(v.Body, "not known"))
			t := newTable(b)
			for _, e := range v.Evidence {
				ended := "no answer"
				if !e.Return.IsZero() {
					ended = "+" + rounded(e.Return.Sub(e.Call)).String()
				}
				final := ""
				if e.Final {
					final = "final "
				}
				text := e.Note
				if e.Error != "" {
					text = strings.TrimPrefix(text+": "+e.Error, ": ")
				}
				fmt.Fprintf(t, "  %s\t%s\t%s #%d\t%s%s\t%s\t%s\n", clockTime(e.Call), ended, e.Host, e.Worker, final, e.Kind, e.Outcome, text)
			}
			t.Flush()
		}
	}
}

func (r Report) writeUnverified(b *strings.Builder) {
	for i, text := range r.Unverified {
		if i == 0 {
			fmt.Fprintf(b, "\nNOT VERIFIED: %d\n", len(r.Unverified))
		}
		if i == shownOfAClass {
			fmt.Fprintf(b, "  and %d more\n", len(r.Unverified)-i)
			break
		}
		fmt.Fprintf(b, "  %s\n", text)
	}
}

func (r Report) writeAvailability(b *strings.Builder) {
	if len(r.Availability) == 0 {
		return
	}
	fmt.Fprintln(b, "\nAvailability, and the longest time without a success")
	t := newTable(b)
	fmt.Fprint(t, "nemesis\tfaults\tdata centre\toperations\tfailed\t")
	for _, kind := range kindsOf {
		fmt.Fprintf(t, "\t%s", kind)
	}
	fmt.Fprintln(t)
	for _, a := range r.Availability {
		share := 0.0
		if a.Ops > 0 {
			share = 100 * float64(a.Failed) / float64(a.Ops)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\t%.1f %%", a.Nemesis, a.Faults, a.DC, a.Ops, a.Failed, share)
		for _, kind := range kindsOf {
			text := "-"
			if longest, ok := a.Longest[kind]; ok {
				text = rounded(longest).String()
			}
			fmt.Fprintf(t, "\t%s", text)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

func clockTime(t time.Time) string { return t.Format("15:04:05.000") }

// rounded returns a duration as exact as is worth reading.
func rounded(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
