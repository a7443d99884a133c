package cassandratest

import (
	"context"
	"errors"
	"fmt"
)

// Move shuts nodes down and starts them at other addresses, as happens on
// Kubernetes. They keep their data, and so they are the same members of the
// cluster (the same host ID). Move returns when each answers queries at its new
// address, which c.Nodes then has. The other nodes may still look for it at the
// old one: see Settle. No other cluster gets the old addresses while this one
// lasts. The port stays the same.
//
// The nodes of a WAN cannot move.
func (c *Cluster) Move(ctx context.Context, nodes string) error {
	err := errNotPrivate
	if c.private {
		var answer reply
		if answer, err = c.lease.ask(ctx, request{Op: opMove, Nodes: nodes}, c.progress); err == nil {
			c.takeNodes(answer.Layout)
			return nil
		}
	}
	return fmt.Errorf("cassandratest: move %q: %w", nodes, err)
}

// takeNodes takes the addresses of the nodes from a layout.
func (c *Cluster) takeNodes(layout *layoutFile) {
	c.lease.layout, c.Nodes = layout, nil
	for _, n := range layout.Nodes {
		c.Nodes = append(c.Nodes, Node{Name: n.Name, DC: n.DC, Address: n.Address, Port: n.Ports.CQL, at: n.place})
	}
}

// move moves nodes for a test.
func (k *keeper) move(ctx context.Context, name string, progress func(string)) (*layoutFile, error) {
	k.mu.Lock()
	f := k.fleet
	k.mu.Unlock()
	if f == nil {
		return nil, errNotStarted
	}
	if f.network != nil {
		return nil, errors.New("the nodes of a WAN cannot move: their addresses are those of their data centre's network")
	}
	nodes, err := f.choose(name)
	if err != nil {
		return nil, err
	}
	// The old places stay claimed: a driver may still connect to them.
	places, release, err := claimPlaces(len(nodes))
	if err != nil {
		return nil, err
	}
	old := f.release
	f.release = func() { old(); release() }
	for i, n := range nodes {
		if places[i].Ports != n.Ports {
			return nil, fmt.Errorf("there are no free addresses with the ports of the cluster, %d and %d", n.Ports.CQL, n.Ports.Storage)
		}
	}
	for _, n := range nodes {
		if n.running() {
			if err := n.shutdown(shutdownPatience); err != nil {
				return nil, err
			}
		}
	}
	for i, n := range nodes {
		n.moveTo(places[i])
	}
	if err := f.configure(); err != nil {
		return nil, err
	}
	if err := f.bootSome(ctx, nodes, progress); err != nil {
		return nil, err
	}
	layout := k.layout()
	if k.spec.Keep {
		err = writeJSON(k.spec.layoutPath(), layout)
	}
	return layout, err
}

// moveTo sets the place of a node that does not run.
func (n *node) moveTo(at place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.place = at
}

// configure writes the configuration of every node, which the node reads when
// it starts.
func (f *fleet) configure() error {
	for _, n := range f.nodes {
		if err := n.writeConfig(f.spec.clusterName(), n.dir, f.seeds(nil), f.spec.Topology); err != nil {
			return err
		}
	}
	return nil
}

// seeds returns the addresses of all nodes for gossip, without one, which may be
// nil.
func (f *fleet) seeds(without *node) (seeds []string) {
	for _, n := range f.nodes {
		if n != without {
			seeds = append(seeds, fmt.Sprintf("%s:%d", n.Address, n.Ports.Storage))
		}
	}
	return seeds
}
