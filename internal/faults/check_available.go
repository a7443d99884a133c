package faults

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// quiet is the name of the time in which nothing was done to anything.
const quiet = "quiet"

// Availability is what a data centre did for its users while a nemesis was at
// work. Where several were at once, each of them has the operations.
type Availability struct {
	Nemesis string // "quiet": none
	DC      string
	Faults  int // of the nemesis
	Ops     int
	Failed  int // or never heard of again

	// Longest is, for each kind, the longest stretch in which somebody waited
	// for it or tried again, and nobody succeeded. It may reach beyond the
	// fault.
	Longest map[Kind]time.Duration
}

// availability goes through the operations of everybody, but for those of the
// final pass.
func availability(ops []Op, faults []Fault) []Availability {
	type key struct{ nemesis, dc string }
	rows := make(map[key]*Availability)
	row := func(nemesis, dc string) *Availability {
		at := key{nemesis, dc}
		if rows[at] == nil {
			rows[at] = &Availability{Nemesis: nemesis, DC: dc, Longest: make(map[Kind]time.Duration)}
			for _, f := range faults {
				if f.Nemesis == nemesis {
					rows[at].Faults++
				}
			}
		}
		return rows[at]
	}
	kinds := make(map[string]map[Kind][]*Op) // by data centre
	for i := range ops {
		op := &ops[i]
		if op.Final {
			continue
		}
		if kinds[op.DC] == nil {
			kinds[op.DC] = make(map[Kind][]*Op)
		}
		kinds[op.DC][op.Kind] = append(kinds[op.DC][op.Kind], op)
		until := op.Return
		if until.IsZero() {
			until = op.Call
		}
		for _, nemesis := range during(faults, op.Call, until) {
			r := row(nemesis, op.DC)
			r.Ops++
			if op.Outcome == Failed || op.Outcome == Unknown {
				r.Failed++
			}
		}
	}
	for dc, byKind := range kinds {
		for kind, ops := range byKind {
			for _, s := range droughts(ops) {
				for _, nemesis := range during(faults, s.from, s.to) {
					longest := row(nemesis, dc).Longest
					longest[kind] = max(longest[kind], s.to.Sub(s.from))
				}
			}
		}
	}
	order := func(a, b *Availability) int {
		return cmp.Or(cmp.Compare(a.Nemesis, b.Nemesis), cmp.Compare(a.DC, b.DC))
	}
	var table []Availability
	for _, r := range slices.SortedFunc(maps.Values(rows), order) {
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

// droughts are the stretches between successes in which somebody waited: from
// the success before, or, where nobody wanted anything then, from the next call.
// The one at the end lasts until the last failure was heard.
func droughts(ops []*Op) (list []stretch) {
	ops = slices.SortedFunc(slices.Values(ops), func(a, b *Op) int { return a.Call.Compare(b.Call) })
	worked := func(op *Op) bool { return op.Outcome == OK || op.Outcome == Gone }
	var ends []time.Time
	var last time.Time // that anybody waited
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
	var pending []*Op // called before the last success, not over then
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
