package sim

import (
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"
)

// Play plays a history in a bubble of its own, and judges it. It replaces
// [rand.Reader] meanwhile: a process plays one history at a time.
func Play(t *testing.T, h History, setup Setup, meter *Coverage) Verdict {
	return play(t, h, setup, meter, false)
}

// PlayWithTrace is Play, and keeps what happened as text.
func PlayWithTrace(t *testing.T, h History, setup Setup) Verdict {
	return play(t, h, setup, NewCoverage(), true)
}

func play(t *testing.T, h History, setup Setup, meter *Coverage, tracing bool) Verdict {
	before := rand.Reader
	defer func() { rand.Reader = before }()
	var w *world
	synctest.Test(t, func(t *testing.T) {
		var err error
		if w, err = newWorld(h, setup, meter, tracing); err != nil {
			t.Fatal(err)
		}
		w.playAll()
		w.end()
		w.close()
	})
	meter.played(w)
	return Verdict{
		Violations: w.judge(), Met: w.met, Statements: w.statements,
		Hash: w.hash, Ops: w.ops, States: w.states, Trace: w.trace,
	}
}

// playAll plays the events.
func (w *world) playAll() {
	for _, e := range w.history.Events {
		w.chance.begin(e.Number)
		w.verb = e.Verb
		w.note("%s", e)
		if !verbs[e.Verb].do(w, e.Args) {
			w.note("  it is impossible now")
			continue
		}
		w.met = append(w.met, e)
		if !e.Background {
			w.run(w.finished)
			if !w.chance.once(3) { // else it goes on later
				w.drain()
			}
		}
		w.sight()
		if len(w.violations) > 0 {
			return
		}
	}
}

// close ends what is left, so that the bubble ends.
func (w *world) close() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	for _, h := range w.hosts {
		if !h.dead {
			w.kill(h)
		}
	}
}

// noted records how a statement ended. If all is quiet, the world is locked.
func (w *world) noted(r *request, err error) {
	if !r.quiet {
		w.mu.Lock()
		defer w.mu.Unlock()
	}
	w.statements++
	outcome := outcomeOf(err)
	w.meter.count(r.statement, outcome)
	if r.quiet {
		return
	}
	if number, ok := r.ctx.Value(operationKey{}).(int); ok {
		if o := w.running[number]; o != nil {
			o.statements++
		}
	}
	for _, x := range []uint64{uint64(r.number), uint64(len(r.statement.String())), uint64(outcome), uint64(time.Since(w.began))} {
		w.hash = (w.hash ^ x) * 1099511628211
	}
	w.note("  %s: %s at %s: %s", r.name, r.statement, r.level, outcome)
}
