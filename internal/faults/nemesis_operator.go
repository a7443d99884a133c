package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/parallel"
)

// oneForgetfulDC returns a data centre in which a node may forget.
func oneForgetfulDC(random *rand.Rand, s stage) string {
	return oneDC(random, stage{dcs: s.forgetful()})
}

// oneForgetful returns a node of such a data centre.
func oneForgetful(random *rand.Rand, s stage) string {
	return oneNode(random, stage{dcs: s.forgetful()})
}

// replaceNode kills a node whose disk is lost, and puts a new one in its place,
// which streams each range from one of the other replicas. One of these misses
// mail that was delivered before, and so a third one alone has some of it. Then
// sessions find it, proofs, and repairs in the background, before the operator
// repairs the cluster.
func replaceNode(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	if err := r.leaveBehind(ctx, f.target); err != nil {
		return nil, err
	}
	heal := func(ctx context.Context) error {
		if err := r.cluster.Settle(ctx); err != nil { // only a dead node is replaced
			return err
		}
		if err := r.cluster.Replace(ctx, f.target); err != nil {
			return err
		}
		if err := r.cluster.Settle(ctx); err != nil {
			return err
		}
		return r.orderUsers()
	}
	return heal, r.forget(f.target, time.Time{}, func() error { return r.cluster.Kill(f.target) })
}

// leaveBehind shuts a neighbour of a node down while no node keeps hints, and
// delivers mail without it, to users whom no worker knows yet: a listing would
// bring the neighbour what it misses.
func (r *run) leaveBehind(ctx context.Context, node string) error {
	of, err := r.cluster.Node(node)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.cluster.Nodes, func(n cassandratest.Node) bool { return n.DC == of.DC && n.Name != node })
	neighbour := r.cluster.Nodes[i].Name
	if err := r.everyNode(ctx, "disablehandoff"); err != nil {
		return err
	}
	if err := r.shutDown(ctx, neighbour); err != nil {
		return err
	}
	if err := r.deliverTo(ctx, of.DC, r.moreUsers("left")); err != nil {
		return err
	}
	if err := r.bootAgain(neighbour)(ctx); err != nil {
		return err
	}
	return r.everyNode(ctx, "enablehandoff")
}

// moreUsers adds users to this step, whom the workers do not know until the next
// order.
func (r *run) moreUsers(name string) (users []string) {
	for i := range 8 * usersAStep {
		users = append(users, fmt.Sprintf("%s%d-%d@example.org", name, len(r.users), i+1))
	}
	last := len(r.users) - 1
	r.users[last] = append(r.users[last], users...)
	return users
}

// deliverTo delivers some mail to each of some users.
func (r *run) deliverTo(ctx context.Context, dc string, users []string) error {
	w, done, err := r.inProcess(ctx, fmt.Sprintf("step%d/%s", len(r.users), dc), r.config(dc))
	if err != nil {
		return err
	}
	defer done()
	random := rand.New(rand.NewPCG(r.seed, uint64(len(r.users))))
	for n := range 2 * len(users) {
		w.Attempt(ctx, Write(w.host.Name, n, 1000, random), users[n%len(users):][:1])
	}
	return nil
}

// restoreSnapshot takes a snapshot of a node. In the end the node gets it back,
// and has forgotten what it acknowledged in between.
func restoreSnapshot(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	const tag = "before"
	taken := time.Now()
	heal := func(ctx context.Context) error {
		err := r.forget(f.target, taken, func() error {
			if err := r.shutDown(ctx, f.target); err != nil {
				return err
			}
			home := filepath.Join(r.cluster.Dir, "nodes", f.target)
			if err := os.RemoveAll(filepath.Join(home, "commitlog")); err != nil {
				return err
			}
			return takeBack(filepath.Join(home, "data", r.keyspace), tag)
		})
		if err != nil {
			return err
		}
		return r.bootAgain(f.target)(ctx)
	}
	if _, err := r.cluster.NodeTool(ctx, f.target, "snapshot", "-t", tag, r.keyspace); err != nil {
		return nil, err
	}
	return heal, nil
}

// takeBack replaces the data of every table of a keyspace by a snapshot. A table
// without one was empty then.
func takeBack(keyspace, tag string) error {
	tables, err := os.ReadDir(keyspace)
	if err != nil {
		return err
	}
	for _, table := range tables {
		dir := filepath.Join(keyspace, table.Name())
		kept := dir + ".kept"
		err := os.Rename(filepath.Join(dir, "snapshots", tag), kept)
		if errors.Is(err, fs.ErrNotExist) {
			err = os.Mkdir(kept, 0o700)
		}
		if err == nil {
			err = os.RemoveAll(dir)
		}
		if err == nil {
			err = os.Rename(kept, dir)
		}
		if err != nil {
			return err
		}
		os.Remove(filepath.Join(dir, "manifest.json")) // of the snapshot, not of the table
		os.Remove(filepath.Join(dir, "schema.cql"))
	}
	return nil
}

// rollingRestart restarts all nodes, one after the other.
func rollingRestart(ctx context.Context, r *run, _ fault) (func(context.Context) error, error) {
	for _, node := range r.cluster.Nodes {
		if err := r.shutDown(ctx, node.Name); err != nil {
			return nil, err
		}
		if err := r.bootAgain(node.Name)(ctx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// shutDown shuts a node down, or a data centre, as an operator does. It flushes
// what it has, and so forgets nothing, also if it is killed in the end since it
// takes too long.
func (r *run) shutDown(ctx context.Context, target string) error {
	nodes := slices.DeleteFunc(slices.Clone(r.cluster.Nodes), func(n cassandratest.Node) bool { return n.Name != target && n.DC != target })
	err := parallel.Each(len(nodes), len(nodes), func(i int) error {
		_, err := r.cluster.NodeTool(ctx, nodes[i].Name, "drain")
		return err
	})
	if err != nil {
		return err
	}
	return r.cluster.Shutdown(target)
}

// withoutHints shuts a node down while no node keeps hints. What it misses, it
// misses until the cluster is repaired.
func withoutHints(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	heal := func(ctx context.Context) error {
		if err := r.bootAgain(f.target)(ctx); err != nil {
			return err
		}
		return r.everyNode(ctx, "enablehandoff")
	}
	r.unrepaired = true
	if err := r.everyNode(ctx, "disablehandoff"); err != nil {
		return nil, err
	}
	return heal, r.shutDown(ctx, f.target)
}

// fewerReplicas takes one replica of everything away from a data centre, and
// gives it back. The quorums of before, of meanwhile and of after meet.
func fewerReplicas(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	heal := func(ctx context.Context) error { return r.replicate(ctx, r.replication()) }
	fewer := r.replication()
	fewer[f.target]--
	r.unrepaired = true
	return heal, r.replicate(ctx, fewer)
}

// replicate changes the replication of the keyspace.
func (r *run) replicate(ctx context.Context, replication cassandra.Replication) error {
	parts := []string{"'class': 'NetworkTopologyStrategy'"}
	for dc, n := range replication {
		parts = append(parts, fmt.Sprintf("'%s': %d", dc, n))
	}
	return r.define(ctx, fmt.Sprintf("ALTER KEYSPACE %s WITH replication = {%s}", r.keyspace, strings.Join(parts, ", ")))
}
