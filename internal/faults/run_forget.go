package faults

import (
	"context"
	"time"

	"github.com/popcask/popcask/internal/storetest"
)

// settingsOf returns the settings of the nodes. If each data centre has other
// replicas, the commit log is that of most clusters, and a node that is killed
// forgets what it acknowledged in the last moments. A data centre of one node
// would lose that, so there the commit log is synchronous.
func settingsOf(s stage) map[string]any {
	if s.allForgetful() {
		return nil
	}
	return storetest.Killable(nil)
}

// commitLogLag is more than what a node may be late with its commit log: after
// one and a half of commitlog_sync_period, which is 10 s, it takes no writes.
const commitLogLag = 20 * time.Second

// forget makes a node forget what it acknowledged after a moment; a zero time
// means all of it. From then on there is a doubt, until the step ends with a
// repair of the cluster.
func (r *run) forget(node string, since time.Time, do func() error) error {
	n, err := r.cluster.Node(node)
	if err != nil {
		return err
	}
	doubt := Doubt{DC: n.DC, From: time.Now(), Since: since}
	err = do()
	doubt.Until = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubts, r.unrepaired = append(r.doubts, doubt), true
	return err
}

// endDoubt is what the operator does before another node may forget.
func (r *run) endDoubt(ctx context.Context) error {
	repair := Fault{Nemesis: "repair", From: time.Now()}
	if err := r.repair(ctx); err != nil {
		return err
	}
	repair.To = time.Now()
	r.log("repaired after %s", repair.To.Sub(repair.From).Round(time.Second))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unrepaired = false
	r.faults = append(r.faults, repair)
	for i := range r.doubts {
		if r.doubts[i].To.IsZero() {
			r.doubts[i].To = repair.To
		}
	}
	return nil
}
