package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/internal/faults"
)

// Search is a search by one process. It plays new histories, and variants of
// those that came to states of the world which no history had come to before:
// see [State]. With the same seed, and until the same number of histories, it
// plays the same.
type Search struct {
	Seed   uint64          // of the first history; the next ones follow it
	Step   uint64          // between two seeds: the number of processes that search
	Length time.Duration   // of the search
	Most   int             // histories; 0 means as many as there is time for
	Menu   map[string]bool // see [Generate]
	Ignore map[faults.Class]bool
	Diary  string // a file that has the history that is being played; "" means none
	Keep   int    // how many kinds of violations are found before the search ends
}

// Found is a kind of violation that a search has found.
type Found struct {
	Seed    uint64
	Class   faults.Class
	After   time.Duration // since the search began
	Nth     int           // history of the process
	Text    string        // of the violation
	History History       // shrunk
}

// explains reports whether a violation is most likely the same as this one: it
// is of the same class, and the verbs of this one are among those of the
// history, in the same order.
func (f Found) explains(class faults.Class, h History) bool {
	next := 0
	for _, e := range h.Events {
		if next < len(f.History.Events) && f.History.Events[next].Verb == e.Verb {
			next++
		}
	}
	return f.Class == class && next == len(f.History.Events)
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
	c := newCorpus()
	d := diary{name: s.Diary}
	defer d.close()
	kinds := make(map[string]bool)
	for seed, n := s.Seed, 0; (s.Most == 0 || n < s.Most) && time.Since(began) < s.Length; seed, n = seed+s.Step, n+1 {
		h := c.propose(seed, s.Menu)
		d.write(h)
		v := Play(t, h, Setup{Ignore: s.Ignore}, r.Coverage)
		c.learn(h, v)
		if len(v.Violations) == 0 {
			continue
		}
		class := v.Class()
		if slices.ContainsFunc(r.Found, func(f Found) bool { return f.explains(class, h) }) {
			continue
		}
		small := Shrink(h, 600, func(h History) bool { return Play(t, h, Setup{Ignore: s.Ignore}, NewCoverage()).Has(class) })
		kind := string(class) + hazards(small)
		if kinds[kind] {
			continue
		}
		kinds[kind] = true
		r.Found = append(r.Found, Found{seed, class, time.Since(began), n + 1, v.Violations[0].Text, small})
		if len(r.Found) >= s.Keep {
			break
		}
	}
	r.Coverage.States = len(c.seen)
	r.Took = time.Since(began)
	return r
}

// diary is a file with the history that is being played: what is left of a
// search if the library panics.
type diary struct {
	name string
	file *os.File
}

func (d *diary) write(h History) {
	if d.name == "" {
		return
	}
	if d.file == nil {
		d.file, _ = os.Create(d.name) // without it a panic is only harder to find
	}
	text := h.String()
	d.file.WriteAt([]byte(text), 0)
	d.file.Truncate(int64(len(text)))
}

func (d *diary) close() { d.file.Close() }

// corpus has histories that came to new states.
type corpus struct {
	seen    map[State]int // how often
	entries []entry       // in the order in which they came; when it is full, in a ring
	next    int           // in the ring
}

type entry struct {
	Sighting
	history History
}

// heldHistories is how many histories a corpus has at most: about 2 KB each.
const heldHistories = 10_000

func newCorpus() *corpus { return &corpus{seen: make(map[State]int)} }

// propose returns a new history, or a variant of one that came to a new state.
func (c *corpus) propose(seed uint64, menu map[string]bool) History {
	random := rand.New(rand.NewPCG(seed, 0x76617279))
	if len(c.entries) == 0 || random.IntN(3) == 0 {
		return Generate(seed, menu)
	}
	return vary(random, c.pick(random), c.entries[random.IntN(len(c.entries))].history, menu)
}

// pick returns a history that came to a state to which few do: all of it, or up
// to the event that did.
func (c *corpus) pick(random *rand.Rand) History {
	const compared = 16
	best := c.entries[random.IntN(len(c.entries))]
	for range compared {
		if other := c.entries[random.IntN(len(c.entries))]; c.seen[other.State] < c.seen[best.State] {
			best = other
		}
	}
	h := best.history
	if random.IntN(2) == 0 {
		h.Events = h.Events[:best.Events]
	}
	return h
}

// learn keeps a history for each new state that it came to, if it shows nothing
// wrong.
func (c *corpus) learn(h History, v Verdict) {
	for _, s := range v.States {
		if c.seen[s.State]++; c.seen[s.State] > 1 || len(v.Violations) > 0 {
			continue
		}
		e := entry{s, h}
		if len(c.entries) < heldHistories {
			c.entries = append(c.entries, e)
			continue
		}
		c.entries[c.next%heldHistories] = e // the oldest makes room
		c.next++
	}
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
