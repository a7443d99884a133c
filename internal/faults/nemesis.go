package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

// nemesis breaks things of one kind. None breaks what a promise rests on: in no
// data centre does more than a minority of the nodes forget anything (and with
// a synchronous commit log not even these), clocks are wrong by less than half
// of gc_grace_seconds, and tombstones go only after a repair has taken them to
// every node.
type nemesis struct {
	name  string
	holds thing         // what it takes hold of
	costs time.Duration // about what breaking and healing take, besides the fault itself
	aim   func(*rand.Rand, stage) string
	act   func(context.Context, *run, fault) (heal func(context.Context) error, err error)
}

// thing is a kind of thing that a nemesis takes hold of.
type thing int

const (
	nodes thing = 1 << iota
	link
	processes
	clocks

	everything = nodes | link | processes | clocks
)

// nemeses are all of them.
var nemeses = []nemesis{
	{"kill-node", nodes, 12 * time.Second, oneNode, killNode},          // -9, and started again
	{"pause-node", nodes, 2 * time.Second, oneNode, pauseNode},         // SIGSTOP, SIGCONT
	{"restart-dc", nodes, 20 * time.Second, oneDC, restartDC},          // every node of it, shut down first
	{"kill-process", processes, 0, oneHost, killProcess},               // the library's own, -9
	{"pause-process", processes, 0, oneHost, pauseProcess},             // SIGSTOP, SIGCONT
	{"cut-link", link, 2 * time.Second, twoDCs, cutLink},               // both ways
	{"cut-link-one-way", link, 2 * time.Second, twoDCs, cutLinkOneWay}, // what the first one sends is lost
	{"slow-link", link, 0, twoDCs, slowLink},                           // delay, rate and loss
	{"drop-hints", nodes | link, 10 * time.Second, twoDCs, dropHints},  // cut, and no node keeps hints
	{"clock-wrong", clocks, 0, oneHost, clockWrong},                    // the library's, by minutes
	{"clock-frozen", clocks, 0, oneHost, clockFrozen},                  // the library's
	{"repair", nodes | link, 10 * time.Second, noTarget, repairNow},    // nodetool repair, in the middle of it all
	{"compact", everything, 20 * time.Second, noTarget, compactNow},    // and tombstones go
}

func oneNode(random *rand.Rand, s stage) string {
	dc := s.dcs[random.IntN(len(s.dcs))]
	return fmt.Sprintf("%s-%d", dc.Name, 1+random.IntN(dc.Nodes))
}

func oneDC(random *rand.Rand, s stage) string { return s.dcs[random.IntN(len(s.dcs))].Name }

func oneHost(random *rand.Rand, s stage) string { return s.hosts[random.IntN(len(s.hosts))] }

// twoDCs returns the ends of a link, as "dc1 dc2", in any order.
func twoDCs(random *rand.Rand, s stage) string {
	order := random.Perm(len(s.dcs))
	return s.dcs[order[0]].Name + " " + s.dcs[order[1]].Name
}

func noTarget(*rand.Rand, stage) string { return "" }

func killNode(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	return r.bootAgain(f.target), r.cluster.Kill(f.target)
}

func restartDC(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	return r.bootAgain(f.target), r.cluster.Shutdown(f.target)
}

func (r *run) bootAgain(target string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := r.cluster.Boot(ctx, target); err != nil {
			return err
		}
		return r.cluster.Settle(ctx)
	}
}

func pauseNode(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	return func(ctx context.Context) error {
		if err := r.cluster.Resume(f.target); err != nil {
			return err
		}
		return r.cluster.Settle(ctx)
	}, r.cluster.Pause(f.target)
}

// killProcess kills a host, and starts a new one in its place, as a supervisor
// would.
func killProcess(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	if err := r.hosts[f.target].kill(); err != nil {
		return nil, err
	}
	return nil, r.startHost(ctx, f.target)
}

func pauseProcess(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	p := r.hosts[f.target]
	return func(context.Context) error { return p.resume() }, p.pause()
}

func ends(f fault) (a, b string) {
	a, b, _ = strings.Cut(f.target, " ")
	return a, b
}

func (r *run) healLink(a, b string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := r.cluster.Link(a, b).Heal(); err != nil {
			return err
		}
		return r.cluster.Settle(ctx)
	}
}

func cutLink(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	a, b := ends(f)
	return r.healLink(a, b), r.cluster.Link(a, b).Cut()
}

func cutLinkOneWay(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	a, b := ends(f)
	return r.healLink(a, b), r.cluster.Link(a, b).CutFrom(a)
}

func slowLink(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	a, b := ends(f)
	random := rand.New(rand.NewPCG(f.dice, 0))
	l := r.cluster.Link(a, b)
	set := func(delay time.Duration, rate int64, loss float64) error {
		if err := l.SetDelay(delay); err != nil {
			return err
		}
		if err := l.SetRate(rate); err != nil {
			return err
		}
		return l.SetLoss(loss, f.dice)
	}
	return func(context.Context) error { return set(0, 0, 0) },
		set(10*time.Millisecond+upTo(random, 190*time.Millisecond), 200_000+random.Int64N(2_000_000), 0.05*random.Float64())
}

// dropHints cuts a link while no node keeps hints: what a data centre misses,
// it misses until it is repaired.
func dropHints(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	a, b := ends(f)
	heal := func(ctx context.Context) error {
		if err := r.healLink(a, b)(ctx); err != nil {
			return err
		}
		return r.everyNode(ctx, "enablehandoff")
	}
	if err := r.everyNode(ctx, "disablehandoff"); err != nil {
		return heal, err
	}
	return heal, r.cluster.Link(a, b).Cut()
}

// clockWrong sets a clock wrong by up to five minutes, in either direction.
func clockWrong(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	random := rand.New(rand.NewPCG(f.dice, 0))
	ahead := time.Second + upTo(random, 5*time.Minute)
	if random.IntN(2) == 0 {
		ahead = -ahead
	}
	return r.clockOf(f.target, ahead.Round(time.Second).String())
}

func clockFrozen(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	return r.clockOf(f.target, "freeze")
}

// clockOf sets the clock of a host. If the host is killed meanwhile, the one in
// its place has the right clock.
func (r *run) clockOf(host, setting string) (func(context.Context) error, error) {
	p := r.hosts[host]
	return func(context.Context) error {
		if p != r.hosts[host] {
			return nil
		}
		return p.order("clock right")
	}, p.order("clock " + setting)
}

func repairNow(ctx context.Context, r *run, _ fault) (func(context.Context) error, error) {
	return nil, r.repair(ctx)
}

func compactNow(ctx context.Context, r *run, _ fault) (func(context.Context) error, error) {
	return nil, r.compact(ctx)
}

// repair runs nodetool repair -full. If each node has a replica of everything,
// one node repairs all.
func (r *run) repair(ctx context.Context) error {
	for _, node := range r.cluster.Nodes {
		if _, err := r.cluster.NodeTool(ctx, node.Name, "repair", "-full", r.keyspace); err != nil {
			return err
		}
		if !slices.ContainsFunc(r.cluster.DCs, func(dc cassandratest.DC) bool { return dc.Nodes > replicas }) {
			return nil
		}
	}
	return nil
}

// compact removes tombstones, as compactions do after gc_grace_seconds. Only
// those go that are some time older than a repair, which takes them to every
// node first (P3 is promised for clusters that are repaired in time). A hint
// from before the repair could add again what such a tombstone has removed, so
// the hints go before. A full repair flushes what it compares.
func (r *run) compact(ctx context.Context) error {
	const older, patience = 15 * time.Second, 30 * time.Second
	if err := r.everyNode(ctx, "truncatehints"); err != nil {
		return err
	}
	began := time.Now()
	if err := r.repair(ctx); err != nil {
		return err
	}
	repaired := time.Since(began)
	var grace time.Duration
	// A change of the schema takes long on a busy machine.
	for altering := 5 * time.Second; grace < time.Since(began)+older+patience; altering *= 2 {
		grace = time.Since(began) + older + patience + altering
		if err := r.setGrace(ctx, grace); err != nil {
			return err
		}
	}
	altered := time.Since(began)
	if err := r.everyNode(ctx, "compact", r.keyspace); err != nil {
		return err
	}
	r.log("repaired after %s, gc_grace_seconds %.0f after %s, compacted after %s", repaired.Round(time.Second),
		grace.Seconds(), altered.Round(time.Second), time.Since(began).Round(time.Second))
	if err := r.setGrace(ctx, gcGrace); err != nil { // until then nodes compact by themselves, too
		return err
	}
	if late := time.Since(began) - grace; late > 0 {
		r.log("the compaction ended %s too late: tombstones may have gone before their time", late.Round(time.Millisecond))
	}
	return nil
}

const gcGrace = 864000 * time.Second // as in the library's schema
