package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

// spare returns the data centres that have a node more than they need.
func (s stage) spare() []cassandratest.DC {
	return slices.DeleteFunc(slices.Clone(s.dcs), func(dc cassandratest.DC) bool { return dc.Nodes <= replicas })
}

func oneSpare(random *rand.Rand, s stage) string {
	return oneNode(random, stage{dcs: s.spare()})
}

// leaveAndJoin decommissions a node, which gives its ranges to others, and adds
// a new one, which takes ranges from others. While the ring changes, two nodes
// may have two opinions of whose a range is: that counts as a replica that
// forgets, twice, with a repair between.
func leaveAndJoin(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	heal := func(ctx context.Context) error {
		if err := r.repair(ctx, f.target); err != nil {
			return err
		}
		err := r.forget(f.target, time.Time{}, func() error { return r.cluster.Join(ctx, f.target) })
		if err != nil {
			return err
		}
		if err := r.cluster.Settle(ctx); err != nil {
			return err
		}
		return r.everyNode(ctx, "cleanup", r.keyspace) // of what they have given away
	}
	return heal, r.forget(f.target, time.Time{}, func() error {
		// By force: the keyspace of the keeper has a replica on every node.
		if _, err := r.cluster.NodeTool(ctx, f.target, "decommission", "--force"); err != nil {
			return fmt.Errorf("decommission: %w", err)
		}
		return r.cluster.Kill(f.target)
	})
}
