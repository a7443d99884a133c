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

// nemesis breaks things of one kind. None breaks what a promise rests on: one
// replica of each message may forget until the cluster is repaired, clocks are
// wrong by less than half of gc_grace_seconds, and tombstones go only after a
// repair has taken them to every node. A nemesis that makes a node forget takes
// hold of the nodes, so that no other one does in the same step, and the step
// ends with nodetool repair: see [run.forget].
type nemesis struct {
	name  string
	holds thing         // what it takes hold of
	costs time.Duration // about what breaking and healing take, besides the fault itself
	needs need          // of the topology
	aim   func(*rand.Rand, stage) string
	act   func(context.Context, *run, fault) (heal func(context.Context) error, err error)
}

// need is what a nemesis needs of the topology. It does without others.
type need struct {
	what string
	met  func(stage) bool
}

var (
	nothing = need{"nothing", func(stage) bool { return true }}
	aLink   = need{"two data centres", func(s stage) bool { return len(s.dcs) > 1 }}
	aQuorum = need{"a data centre of three nodes", func(s stage) bool { return len(s.forgetful()) > 0 }}
	aSpare  = need{"a data centre of four nodes", func(s stage) bool { return len(s.spare()) > 0 }}
)

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
	{"kill-node", nodes, 12 * time.Second, nothing, oneNode, killNode},        // -9, and started again
	{"pause-node", nodes, 2 * time.Second, nothing, oneNode, pauseNode},       // SIGSTOP, SIGCONT
	{"restart-dc", nodes, 20 * time.Second, nothing, oneDC, restartDC},        // every node of it, shut down first
	{"kill-process", processes, 0, nothing, oneHost, killProcess},             // the library's own, -9
	{"pause-process", processes, 0, nothing, oneHost, pauseProcess},           // SIGSTOP, SIGCONT: for longer than the horizon
	{"cut-link", link, 2 * time.Second, aLink, twoDCs, cutLink},               // both ways
	{"cut-link-one-way", link, 2 * time.Second, aLink, twoDCs, cutLinkOneWay}, // what the first one sends is lost
	{"slow-link", link, 0, aLink, twoDCs, slowLink},                           // delay, rate and loss
	{"drop-hints", nodes | link, 10 * time.Second, aLink, twoDCs, dropHints},  // cut, and no node keeps hints
	{"clock-wrong", clocks, 0, nothing, oneHost, clockWrong},                  // the library's, by minutes
	{"clock-frozen", clocks, 0, nothing, oneHost, clockFrozen},                // the library's
	{"repair", nodes | link, 10 * time.Second, nothing, noTarget, repairNow},  // nodetool repair, in the middle of it all
	{"compact", everything, 20 * time.Second, nothing, noTarget, compactNow},  // and tombstones go

	// What operators do, of machines too: see nemesis_operator.go, _ring and _clone.
	{"replace-node", nodes | link, 80 * time.Second, aQuorum, oneForgetful, replaceNode},
	{"restore-snapshot", nodes | link, 35 * time.Second, aQuorum, oneForgetful, restoreSnapshot},
	{"rolling-restart", nodes | link, 70 * time.Second, nothing, noTarget, rollingRestart},
	{"without-hints", nodes | link, 30 * time.Second, nothing, oneNode, withoutHints},
	{"fewer-replicas", nodes | link, 30 * time.Second, aQuorum, oneForgetfulDC, fewerReplicas},
	{"leave-and-join", nodes | link, 90 * time.Second, aSpare, oneSpare, leaveAndJoin},
	{"clone-process", processes | clocks, 2 * time.Second, nothing, oneHost, cloneProcess},
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

// killNode kills a node. With the commit log of most clusters it forgets its
// last moments: see [settingsOf].
func killNode(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	kill := func() error { return r.cluster.Kill(f.target) }
	if !r.stage.allForgetful() {
		return r.bootAgain(f.target), kill()
	}
	return r.bootAgain(f.target), r.forget(f.target, time.Now().Add(-commitLogLag), kill)
}

func restartDC(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	return r.bootAgain(f.target), r.shutDown(ctx, f.target)
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

// clockWrong sets a clock wrong by up to two minutes, in either direction.
func clockWrong(_ context.Context, r *run, f fault) (func(context.Context) error, error) {
	random := rand.New(rand.NewPCG(f.dice, 0))
	ahead := time.Second + upTo(random, 2*time.Minute)
	if random.IntN(2) == 0 {
		ahead = -ahead
	}
	heal, err := r.clockOf(f.target, ahead.Round(time.Second).String())
	return func(ctx context.Context) error {
		err := heal(ctx)
		if shown := time.Now().Add(ahead); shown.After(r.ahead) {
			r.ahead = shown
		}
		return err
	}, err
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
// one node repairs all. It fails if a connection between two nodes breaks, as
// those do that are left over from before a restart: then it runs again. Nodes
// that are gone do not take part.
func (r *run) repair(ctx context.Context, gone ...string) error {
	const tries = 3
	for _, node := range r.cluster.Nodes {
		if slices.Contains(gone, node.Name) {
			continue
		}
		_, err := r.cluster.NodeTool(ctx, node.Name, "repair", "-full", r.keyspace)
		for again := 1; err != nil && again < tries && ctx.Err() == nil; again++ {
			r.log("nodetool repair runs again: %v", err)
			_, err = r.cluster.NodeTool(ctx, node.Name, "repair", "-full", r.keyspace)
		}
		if err != nil {
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
