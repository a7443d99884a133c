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

// Search is a search by one process. It plays new histories, and goes on from
// states of the world that others came to: see [State]. With the same seed, and
// until the same number of histories, it plays the same.
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

// explains reports whether a violation may be the same as this one: it is of the
// same class, and the verbs of this one are among those of the history, in the
// same order.
func (f Found) explains(class faults.Class, h History) bool {
	next := 0
	for _, e := range h.Events {
		if next < len(f.History.Events) && f.History.Events[next].Verb == e.Verb {
			next++
		}
	}
	return f.Class == class && next == len(f.History.Events)
}

// unexplained returns what is left of a history without what was found before,
// and whether it still shows a violation of the class. What may be explained by
// something that was found is, if no verb of that can be left out.
func unexplained(h History, class faults.Class, found []Found, shows func(History) bool) (left History, ok bool) {
	for _, f := range found {
		if !f.explains(class, h) {
			continue
		}
		i := slices.IndexFunc(f.History.Events, func(e Event) bool { return shows(h.without(e.Verb)) })
		if i < 0 {
			return h, false
		}
		h = h.without(f.History.Events[i].Verb)
	}
	return h, true
}

// without returns the history without the events of a verb.
func (h History) without(verb string) History {
	h.Events = slices.DeleteFunc(slices.Clone(h.Events), func(e Event) bool { return e.Verb == verb })
	return h
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
// that shows it: kinds are classes, with the verbs that the history needs.
func (s Search) Run(t *testing.T) Result {
	began := time.Now()
	r := Result{Coverage: NewCoverage()}
	c := newCorpus()
	d := diary{name: s.Diary}
	defer d.close()
	kinds := make(map[string]bool)
	setup := Setup{Ignore: s.Ignore}
	for seed, n := s.Seed, 0; (s.Most == 0 || n < s.Most) && time.Since(began) < s.Length; seed, n = seed+s.Step, n+1 {
		h := c.propose(seed, s.Menu)
		d.write(h)
		v := Play(t, h, setup, r.Coverage)
		c.learn(h, v)
		if len(v.Violations) == 0 {
			continue
		}
		class := v.Class()
		shows := func(h History) bool { return Play(t, h, setup, NewCoverage()).Has(class) }
		h, ok := unexplained(h, class, r.Found, shows)
		if !ok {
			continue
		}
		small := Shrink(h, 600, shows)
		kind := string(class) + " " + needed(small)
		if kinds[kind] {
			continue
		}
		kinds[kind] = true
		r.Found = append(r.Found, Found{seed, class, time.Since(began), n + 1, v.Violations[0].Text, small})
		if len(r.Found) >= s.Keep {
			break
		}
	}
	r.Coverage.States = len(c.ways)
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

// corpus has the shortest way to each state that histories came to. A cluster has
// some thousand states at most: see [State].
type corpus struct {
	ways   map[State]*way
	states map[string][]State // of ways, by cluster, in the order in which they were first seen
}

// way is a way to a state.
type way struct {
	history History // its events had an effect, and with the last one it comes to the state
	used    int     // how often the search went on from there
}

func newCorpus() *corpus { return &corpus{make(map[State]*way), make(map[string][]State)} }

// propose returns a new history, or goes on from a state.
func (c *corpus) propose(seed uint64, menu map[string]bool) History {
	random := rand.New(rand.NewPCG(seed, 0x76617279))
	h := Generate(seed, menu)
	known := c.states[h.Cluster]
	if len(known) == 0 || random.IntN(4) == 0 {
		return h
	}
	from := c.pick(random, known)
	from.used++
	return vary(random, from.history, c.pick(random, known).history, menu)
}

// pick returns the way to a state, most often to one from which the search went
// on seldom.
func (c *corpus) pick(random *rand.Rand, states []State) *way {
	const compared = 8
	best := c.ways[states[random.IntN(len(states))]]
	for range random.IntN(compared) {
		if other := c.ways[states[random.IntN(len(states))]]; other.used < best.used {
			best = other
		}
	}
	return best
}

// learn keeps the ways to new states, and those that are not longer than the
// ones that are known.
func (c *corpus) learn(h History, v Verdict) {
	for _, s := range v.States {
		known, ok := c.ways[s.State]
		found := h
		found.Events = v.Met[:s.Events]
		switch {
		case len(v.Violations) > 0: // what goes on from here may show the same
		case !ok:
			c.ways[s.State] = &way{history: found}
			c.states[h.Cluster] = append(c.states[h.Cluster], s.State)
		case length(found) <= length(known.history):
			known.history = found
		}
	}
}

// length returns how many events a history has. Noise counts as one.
func length(h History) int {
	if h.Seed != 0 {
		return len(h.Events) + 1
	}
	return len(h.Events)
}

// needed names the verbs that a history needs.
func needed(h History) string {
	var names []string
	for _, e := range h.Events {
		names = append(names, e.Verb)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}
