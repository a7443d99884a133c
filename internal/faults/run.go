package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/parallel"
)

// replicas is how many replicas each data centre has, if it has so many nodes.
const replicas = 3

// usersAStep is how many new users each step has. They replace those of the
// step before the last, so that mailboxes begin, get narrower buckets, and are
// sealed for the first time while things break.
const usersAStep = 3

// run is one run of the suite: the cluster, the hosts, and what they did.
type run struct {
	cluster  *cassandratest.Cluster
	keyspace string
	seed     uint64
	stage    stage
	till     time.Time // when it is over at the latest
	log      func(format string, args ...any)

	hosts map[string]*process
	users [][]string // by step
	ahead time.Time  // the latest that a clock has shown which was wrong

	unrepaired bool // the step must end with nodetool repair

	mu     sync.Mutex
	ops    map[key]Op
	wrongs []string
	faults []Fault
	doubts []Doubt
	now    string // the present step, for the log
	intern map[string]string
}

// newRun makes a keyspace and starts two hosts in each data centre.
func newRun(ctx context.Context, cluster *cassandratest.Cluster, keyspace string, seed uint64, length time.Duration, log func(string, ...any)) (*run, error) {
	r := &run{
		cluster: cluster, keyspace: keyspace, seed: seed, log: log,
		stage: stageOf(cluster.DCs), till: time.Now().Add(3*length + 20*time.Minute),
		hosts: make(map[string]*process), ops: make(map[key]Op), intern: make(map[string]string),
	}
	c := r.config(cluster.DCs[0].Name)
	c.Timeout = 30 * time.Second // for the schema
	if err := cassandra.Migrate(ctx, c, r.replication()); err != nil {
		return nil, err
	}
	r.nextUsers()
	for _, name := range r.stage.hosts {
		if err := r.startHost(ctx, name); err != nil {
			return nil, err
		}
	}
	for _, p := range r.hosts {
		if err := p.awaitReady(ctx); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *run) replication() cassandra.Replication {
	replication := make(cassandra.Replication)
	for _, dc := range r.cluster.DCs {
		replication[dc.Name] = min(dc.Nodes, replicas)
	}
	return replication
}

// stageOf puts two hosts into each data centre.
func stageOf(dcs []cassandratest.DC) stage {
	s := stage{dcs: dcs}
	for _, dc := range dcs {
		s.hosts = append(s.hosts, dc.Name+"/a", dc.Name+"/b")
	}
	return s
}

func (r *run) config(dc string) cassandra.Config {
	return config(r.cluster.Hosts(dc), dc, r.keyspace)
}

// startHost starts a host, or starts one again.
func (r *run) startHost(ctx context.Context, name string) error {
	life := 1
	if before := r.hosts[name]; before != nil {
		life = before.Life + 1
	}
	dc, _, _ := strings.Cut(name, "/")
	p, err := start(ctx, r.cluster, job{
		Name: name, DC: dc, Life: life, Hosts: r.cluster.Hosts(dc), Keyspace: r.keyspace,
		Users: r.currentUsers(), Seed: r.seed, Workers: 2, Pause: 250 * time.Millisecond, LastsTill: r.till,
	}, r.record, r.wrong)
	if err != nil {
		return err
	}
	r.hosts[name] = p
	return nil
}

// nextUsers adds new users.
func (r *run) nextUsers() {
	var users []string
	for i := range usersAStep {
		users = append(users, fmt.Sprintf("s%d-%d@example.org", len(r.users), i+1))
	}
	r.users = append(r.users, users)
}

// currentUsers returns those of this step and of the one before.
func (r *run) currentUsers() []string {
	return slices.Concat(r.users[max(0, len(r.users)-2):]...)
}

// orderUsers tells the hosts the users of now.
func (r *run) orderUsers() error {
	for _, p := range r.hosts {
		if err := p.order("users " + strings.Join(r.currentUsers(), " ")); err != nil {
			return fmt.Errorf("host %s: %w", p.Name, err)
		}
	}
	return nil
}

func (r *run) record(k key, op Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A message is listed many times, and a run may last an hour: one copy of
	// each text.
	for _, list := range [][]Message{op.Listed, op.Removed} {
		for i := range list {
			list[i].ID, list[i].UIDL = r.one(list[i].ID), r.one(list[i].UIDL)
		}
	}
	r.ops[k] = op
}

func (r *run) one(text string) string {
	if same, ok := r.intern[text]; ok {
		return same
	}
	r.intern[text] = text
	return text
}

func (r *run) wrong(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrongs = append(r.wrongs, text)
	r.log("WRONG: %s", text)
}

// history returns what was recorded so far.
func (r *run) history() (ops []Op, faults []Fault, doubts []Doubt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, op := range r.ops {
		ops = append(ops, op)
	}
	slices.SortFunc(ops, func(a, b Op) int { return a.Call.Compare(b.Call) })
	return ops, slices.Clone(r.faults), slices.Clone(r.doubts)
}

// walk goes through the steps. If healing takes longer than the schedule
// expects, as on a busy machine, it leaves out the last of those in which
// several things break. An error is one of the suite, not of the library.
func (r *run) walk(ctx context.Context, steps []step, length time.Duration) error {
	over := time.Now().Add(length)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var reporting sync.WaitGroup
	reporting.Go(func() { r.progress(ctx) })
	defer reporting.Wait()
	defer cancel()
	for i, s := range steps {
		if len(s.faults) > 1 && time.Now().After(over) {
			r.log("no time for %d of %d steps", len(steps)-i, len(steps))
			break
		}
		r.say(fmt.Sprintf("step %d of %d: %s", i+1, len(steps), s))
		r.nextUsers()
		for _, p := range r.hosts {
			if err := p.order("clock right"); err != nil {
				return fmt.Errorf("host %s: %w", p.Name, err)
			}
		}
		if err := r.orderUsers(); err != nil {
			return err
		}
		if err := r.step(ctx, s); err != nil {
			return fmt.Errorf("step %d of %d, %s: %w", i+1, len(steps), s, err)
		}
	}
	r.say("calm")
	return nil
}

// step breaks, waits, and heals in the opposite order. If a node has forgotten
// something it repairs the cluster, before another one may.
func (r *run) step(ctx context.Context, s step) (err error) {
	var heals []func() error
	for _, f := range s.faults {
		noted := Fault{Nemesis: f.name, Target: f.target, From: time.Now()}
		heal, failed := f.act(ctx, r, f)
		heals = append(heals, func() error {
			var err error
			if heal != nil {
				err = heal(ctx)
			}
			noted.To = time.Now()
			r.mu.Lock()
			r.faults = append(r.faults, noted)
			r.mu.Unlock()
			return err
		})
		if err = failed; err != nil {
			break
		}
	}
	if err == nil {
		select {
		case <-time.After(s.lasts):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	for _, heal := range slices.Backward(heals) {
		err = errors.Join(err, heal())
	}
	if err == nil && r.unrepaired {
		err = r.endDoubt(ctx)
	}
	return err
}

func (r *run) say(now string) {
	r.mu.Lock()
	r.now = now
	r.mu.Unlock()
	r.log("%s", now)
}

// progress logs every ten seconds how far the run is.
func (r *run) progress(ctx context.Context) {
	began := time.Now()
	ticks := time.NewTicker(10 * time.Second)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		r.mu.Lock()
		count := make(map[Outcome]int)
		for _, op := range r.ops {
			count[op.Outcome]++
		}
		now := r.now
		r.mu.Unlock()
		r.log("%s: %d operations, %d failed, %d gone, %d unknown; %s", time.Since(began).Round(time.Second),
			count[OK]+count[Failed]+count[Gone]+count[Unknown], count[Failed], count[Gone], count[Unknown], now)
	}
}

// stop lets the hosts end what they have begun. A host that has just been
// started again must connect first: if it never does, something is wrong.
func (r *run) stop(ctx context.Context) error {
	var errs []error
	for _, p := range r.hosts {
		err := p.awaitReady(ctx)
		if err == nil {
			err = p.stop(ctx)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// kill kills the hosts that still run.
func (r *run) kill() {
	for _, p := range r.hosts {
		p.kill()
	}
}

// everyNode runs nodetool against every node.
func (r *run) everyNode(ctx context.Context, args ...string) error {
	nodes := r.cluster.Nodes
	return parallel.Each(len(nodes), len(nodes), func(i int) error {
		_, err := r.cluster.NodeTool(ctx, nodes[i].Name, args...)
		return err
	})
}

// tables are the tables that have tombstones.
var tables = []string{"message", "mailbox_message", "projection"}

// setGrace sets how long tombstones stay.
func (r *run) setGrace(ctx context.Context, grace time.Duration) error {
	var statements []string
	for _, table := range tables {
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s WITH gc_grace_seconds = %d", table, grace/time.Second))
	}
	return r.define(ctx, statements...)
}

// define changes the schema.
func (r *run) define(ctx context.Context, statements ...string) error {
	c := r.config(r.cluster.DCs[0].Name)
	c.Timeout = 30 * time.Second
	session, err := cassandra.Connect(ctx, c)
	if err != nil {
		return err
	}
	defer session.Close()
	for _, statement := range statements {
		if err := session.Define(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
