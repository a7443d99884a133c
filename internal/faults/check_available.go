package faults

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// quiet is the name of the time in which nothing was broken.
const quiet = "quiet"

// Availability is how a data centre served while a nemesis was at work. If
// several were at work, the operations count for each of them.
type Availability struct {
	Nemesis string // "quiet": none
	DC      string
	Faults  int // of the nemesis
	Ops     int
	Failed  int // or unknown

	// Longest is, for each kind, the longest stretch in which workers waited or
	// tried again, and none succeeded. It may reach beyond the fault.
	Longest map[Kind]time.Duration
}

// availability goes through the operations of all hosts, except those of the
// final pass.
func availability(ops []Op, faults []Fault) []Availability {
	table := availabilities{faults: faults, rows: make(map[[2]string]*Availability)}
	type group struct {
		dc   string
		kind Kind
	}
	groups := make(map[group][]*Op)
	for i := range ops {
		op := &ops[i]
		if op.Final {
			continue
		}
		table.count(op)
		g := group{op.DC, op.Kind}
		groups[g] = append(groups[g], op)
	}
	for g, ops := range groups {
		for _, s := range droughts(ops) {
			for _, nemesis := range during(faults, s.from, s.to) {
				longest := table.row(nemesis, g.dc).Longest
				longest[g.kind] = max(longest[g.kind], s.to.Sub(s.from))
			}
		}
	}
	return table.sorted()
}

// availabilities is a table of them, by nemesis and data centre.
type availabilities struct {
	faults []Fault
	rows   map[[2]string]*Availability
}

func (a availabilities) row(nemesis, dc string) *Availability {
	at := [2]string{nemesis, dc}
	if a.rows[at] == nil {
		a.rows[at] = &Availability{Nemesis: nemesis, DC: dc, Longest: make(map[Kind]time.Duration)}
		for _, f := range a.faults {
			if f.Nemesis == nemesis {
				a.rows[at].Faults++
			}
		}
	}
	return a.rows[at]
}

// count counts an operation, for each nemesis that was at work meanwhile.
func (a availabilities) count(op *Op) {
	until := op.Return
	if until.IsZero() {
		until = op.Call
	}
	for _, nemesis := range during(a.faults, op.Call, until) {
		r := a.row(nemesis, op.DC)
		r.Ops++
		if op.Outcome == Failed || op.Outcome == Unknown {
			r.Failed++
		}
	}
}

func (a availabilities) sorted() (table []Availability) {
	order := func(a, b *Availability) int {
		return cmp.Or(cmp.Compare(a.Nemesis, b.Nemesis), cmp.Compare(a.DC, b.DC))
	}
	for _, r := range slices.SortedFunc(maps.Values(a.rows), order) {
		table = append(table, *r)
	}
	return table
}

// during names the nemeses that were at work in a stretch of time, each once.
func during(faults []Fault, from, to time.Time) (names []string) {
	for _, f := range faults {
		if !f.From.After(to) && (f.To.IsZero() || !f.To.Before(from)) && !slices.Contains(names, f.Nemesis) {
			names = append(names, f.Nemesis)
		}
	}
	if names == nil {
		return []string{quiet}
	}
	return names
}

// stretch is a stretch of time.
type stretch struct{ from, to time.Time }

// droughts returns the stretches between two successes in which workers waited:
// from the first success, or, if no operation was called by then, from the next
// call. The last stretch ends with the last failure.
func droughts(ops []*Op) (list []stretch) {
	ops = slices.SortedFunc(slices.Values(ops), func(a, b *Op) int { return a.Call.Compare(b.Call) })
	worked := func(op *Op) bool { return op.Outcome == OK || op.Outcome == Gone }
	var ends []time.Time
	var last time.Time // of a call or a return
	for _, op := range ops {
		if worked(op) {
			ends = append(ends, op.Return)
		}
		for _, t := range []time.Time{op.Call, op.Return} {
			if t.After(last) {
				last = t
			}
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	ends = append(ends, last)
	before, next := time.Time{}, 0
	var pending []*Op // called before the last success, and returned later
	for _, end := range ends {
		began := end
		keep := pending[:0]
		for ; next < len(ops) && ops[next].Call.Before(end); next++ {
			pending = append(pending, ops[next])
		}
		for _, op := range pending {
			from := op.Call
			if from.Before(before) {
				from = before
			}
			if from.Before(began) {
				began = from
			}
			if op.Return.After(end) {
				keep = append(keep, op)
			}
		}
		pending = keep
		if began.Before(end) {
			list = append(list, stretch{began, end})
		}
		before = end
	}
	return list
}
