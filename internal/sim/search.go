package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/internal/faults"
)

// Search is a search by one process, through the histories of some seeds.
type Search struct {
	Seed   uint64          // of the first history; the next ones follow it
	Step   uint64          // between two seeds: the number of processes that search
	Length time.Duration   // of the search
	Most   int             // histories; 0 means as many as there is time for
	Menu   map[string]bool // see [Generate]
	Ignore map[faults.Class]bool
	Keep   int // how many kinds of violations are found before the search ends
}

// Found is a kind of violation that a search has found.
type Found struct {
	Seed    uint64
	Class   faults.Class
	After   time.Duration // since the search began
	Nth     int           // history of the process
	Text    string        // of the violation
	History string        // shrunk, in its text form
}

// String returns the report.
func (f Found) String() string {
	return fmt.Sprintf("%s, with seed %d, after %s, in history %d: %s\n%s", f.Class, f.Seed, f.After.Round(time.Millisecond), f.Nth, f.Text, f.History)
}

// Result is what a search has found.
type Result struct {
	Coverage *Coverage
	Found    []Found
	Took     time.Duration
}

// Add adds the result of another process.
func (r *Result) Add(other Result) {
	r.Coverage.Add(other.Coverage)
	r.Found = append(r.Found, other.Found...)
	r.Took = max(r.Took, other.Took)
}

// Run searches. Each kind of violation is kept once, with the smallest history
// that shows it: kinds are classes, with the hazards that the history needs.
func (s Search) Run(t *testing.T) Result {
	began := time.Now()
	r := Result{Coverage: NewCoverage()}
	setup := Setup{Ignore: s.Ignore}
	kinds := make(map[string]bool)
	for seed, n := s.Seed, 0; (s.Most == 0 || n < s.Most) && time.Since(began) < s.Length; seed, n = seed+s.Step, n+1 {
		v := Play(t, Generate(seed, s.Menu), setup, r.Coverage)
		if len(v.Violations) == 0 {
			continue
		}
		small := Shrink(v.History, 600, func(h History) bool { return Play(t, h, setup, NewCoverage()).Has(v.Class()) })
		kind := string(v.Class()) + hazards(small)
		if kinds[kind] {
			continue
		}
		kinds[kind] = true
		r.Found = append(r.Found, Found{seed, v.Class(), time.Since(began), n + 1, v.Violations[0].Text, small.String()})
		t.Logf("%s", r.Found[len(r.Found)-1])
		if len(r.Found) >= s.Keep {
			break
		}
	}
	r.Took = time.Since(began)
	return r
}

// hazards names the hazards that a history needs.
func hazards(h History) string {
	var names strings.Builder
	seen := make(map[string]bool)
	for _, e := range h.Events {
		if hazard := verbs[e.Verb].hazard; !seen[hazard] {
			seen[hazard] = true
			names.WriteString(" " + hazard)
		}
	}
	return names.String()
}
