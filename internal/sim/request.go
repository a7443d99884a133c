package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/sim/cluster"
)

// request is one attempt at a statement, on its way from its coordinator to the
// replicas.
type request struct {
	*host
	ctx         context.Context
	level       cql.Level
	statement   *cql.Statement
	values      []any
	coordinator *node
	farIsLate   bool // what it sends to other data centres
	quiet       bool // nothing else happens meanwhile, and the world is locked
	slow        []*cluster.Node
	asked       []*cluster.Node
}

func (r *request) env() cluster.Env {
	return cluster.Env{Now: time.Now, Down: r.knownDown, Send: r.send, Prefer: r.prefer}
}

// knownDown reports whether the coordinator knows that a node is down, or out
// of reach: after ten seconds, or at once if there is no noise.
func (r *request) knownDown(n *cluster.Node) bool {
	of := r.world.node(n)
	if r.world.connecting {
		return false
	}
	noticed := func(since time.Time) bool { return !r.world.chance.noisy() || time.Since(since) > 10*time.Second }
	return of.down && noticed(of.since) || r.isCut(of) && noticed(r.world.cutSince)
}

func (r *request) isCut(n *node) bool { return r.world.cut && n.DC != r.coordinator.DC }

// send decides what becomes of a message to a replica. Other things may happen
// before it arrives.
func (r *request) send(n *cluster.Node) cluster.Fate {
	w, to := r.world, r.world.node(n)
	if !r.quiet && w.chance.once(12) {
		if err := r.turn(r.ctx, r.statement, r.values); err != nil {
			return cluster.Lost
		}
	}
	writes := r.statement.Kind != cql.Select || slices.Contains(r.asked, n) // then it repairs
	r.asked = append(r.asked, n)
	switch {
	case w.connecting:
		return cluster.Arrives
	case to.down, to.gone, r.isCut(to), to.overloaded && writes:
		return cluster.Lost
	case r.quiet:
		return cluster.Arrives
	case w.chance.once(25), r.farIsLate && n.DC != r.coordinator.DC:
		r.slow = append(r.slow, n)
		return cluster.Late
	case w.chance.once(60):
		return cluster.Lost
	}
	return cluster.Arrives
}

// miss keeps a mutation that a replica did not acknowledge: it is on its way,
// or the coordinator keeps a hint.
func (r *request) miss(to *node, m *cluster.Mutation, err error) {
	w := r.world
	switch {
	case errors.Is(err, cluster.ErrUnavailable): // nothing was sent
	case slices.Contains(r.slow, to.Node):
		w.late = append(w.late, late{to: to, mutation: m, since: time.Now()})
	case w.hints && !to.gone && (!to.down || time.Since(to.since) < hintWindow) && (!r.isCut(to) || time.Since(w.cutSince) < hintWindow):
		w.late = append(w.late, late{to: to, from: r.coordinator, mutation: m, hint: true, since: time.Now()})
	}
}

// hintWindow is how long nodes keep hints for one that is down
// (max_hint_window).
const hintWindow = 3 * time.Hour

// prefer is the order in which the replicas of a read are asked: those of the
// coordinator's data centre first, and among them any.
func (r *request) prefer(replicas []*cluster.Node) []*cluster.Node {
	c := r.world.chance
	if r.quiet || !c.noisy() {
		return replicas
	}
	order := slices.Clone(replicas)
	c.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	if !c.once(8) {
		slices.SortStableFunc(order, func(a, b *cluster.Node) int { return r.distance(a) - r.distance(b) })
	}
	return order
}

func (r *request) distance(n *cluster.Node) int {
	if n.DC == r.coordinator.DC {
		return 0
	}
	return 1
}
