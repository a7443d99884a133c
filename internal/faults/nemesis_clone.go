package faults

import (
	"context"
	"time"
)

// cloneProcess starts two processes in the place of a host, with as much of one
// state as two real processes can have: one configuration, workers that make the
// same random choices, and one clock, which stands still for both. So they do
// the same at the same moments, and the times in their IDs are the same. What
// the library has read before it is cloned, and the random bits that it is about
// to use, are cloned in internal/sim.
func cloneProcess(ctx context.Context, r *run, f fault) (func(context.Context) error, error) {
	if _, err := killProcess(ctx, r, f); err != nil {
		return nil, err
	}
	now := "clock " + time.Now().Format(time.RFC3339Nano)
	original := r.hosts[f.target]
	if err := original.order(now); err != nil {
		return nil, err
	}
	j := original.job
	j.Name, j.As = j.Name+"-clone", j.Name
	clone, err := start(ctx, r.cluster, j, r.record, r.wrong)
	if err != nil {
		return nil, err
	}
	heal := func(ctx context.Context) error {
		if err := clone.awaitReady(ctx); err != nil {
			return err
		}
		if err := clone.stop(ctx); err != nil {
			return err
		}
		return original.order("clock right")
	}
	return heal, clone.order(now)
}
