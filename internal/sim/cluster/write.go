package cluster

import (
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// Fate is what becomes of a message to a replica.
type Fate int

// The fates of a message. After Late and Lost there is no answer in time.
const (
	Arrives Fate = iota
	Late
	Lost
)

// Env is what is around a coordinator: the clock and the network.
type Env struct {
	Now func() time.Time

	// Down reports whether the coordinator knows that a node is down. nil means
	// that none is.
	Down func(*Node) bool

	// Send is called once for each message to a replica: of a write, of a read,
	// of a read repair. It may block. nil means that all arrive.
	Send func(*Node) Fate

	// Prefer returns the replicas that a read may ask, in the order in which it
	// is to ask them. It asks the first ones that its level needs, and no
	// others. nil means the order of the nodes, those of the coordinator's data
	// centre first.
	Prefer func([]*Node) []*Node
}

func (e *Env) down(n *Node) bool { return e.Down != nil && e.Down(n) }

func (e *Env) send(n *Node) Fate {
	if e.Send == nil {
		return Arrives
	}
	return e.Send(n)
}

// Replicas returns the replicas of a mutation's partition, in all data centres,
// in the order of [Cluster.Nodes]. It must not be changed.
func (c *Cluster) Replicas(m *Mutation) []*Node { return c.replicasOf(m.key) }

// Write sends a mutation to all replicas that are not known to be down,
// whatever the level, and waits for the acknowledgements that the level
// demands, seen from a data centre. missed are the replicas that did not
// acknowledge it, those that are down too: the caller keeps what they missed.
// They are nil if the error is [ErrUnavailable], or one of an unknown level.
func (c *Cluster) Write(level cql.Level, dc string, m *Mutation, env Env) (missed []*Node, err error) {
	d, err := c.demand(level, dc)
	if err != nil {
		return nil, err
	}
	replicas := c.replicasOf(m.key)
	var live counts
	down := make([]bool, len(replicas))
	for i, n := range replicas {
		if down[i] = env.down(n); !down[i] {
			live[n.dc]++
		}
	}
	if !d.met(&live) {
		return nil, ErrUnavailable
	}
	var acknowledged counts
	for i, n := range replicas {
		if down[i] || env.send(n) != Arrives {
			missed = append(missed, n)
			continue
		}
		n.Apply(m, env.Now())
		acknowledged[n.dc]++
	}
	if !d.met(&acknowledged) {
		return missed, ErrTimeout
	}
	return missed, nil
}
