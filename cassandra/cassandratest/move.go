package cassandratest

import (
	"context"
	"errors"
	"fmt"
)

// Move lets nodes come back at other addresses, as those of a cluster on
// Kubernetes do: they are shut down and start again with the data that they
// have, which makes them the same members of the cluster (the same host ID). It
// returns when each answers queries at its new address, which c.Nodes then has;
// the others may still look for it at the old one: see Settle. Nobody else gets
// the old addresses as long as the cluster lasts. The port stays the same.
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

// takeNodes notes where the nodes are.
func (c *Cluster) takeNodes(layout *layoutFile) {
	c.lease.layout, c.Nodes = layout, nil
	for _, n := range layout.Nodes {
		c.Nodes = append(c.Nodes, Node{Name: n.Name, DC: n.DC, Address: n.Address, Port: n.Ports.CQL, at: n.place})
	}
}

// move moves nodes, on behalf of a test.
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
	// The old places stay claimed: a driver may still come and ask there.
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

// moveTo changes where a node that is not running will listen.
func (n *node) moveTo(at place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.place = at
}

// configure writes the configuration of every node. One that runs reads it the
// next time that it starts.
func (f *fleet) configure() error {
	var seeds []string
	for _, n := range f.nodes {
		seeds = append(seeds, fmt.Sprintf("%s:%d", n.Address, n.Ports.Storage))
	}
	for _, n := range f.nodes {
		if err := n.writeConfig(f.spec.clusterName(), n.dir, seeds, f.spec.Topology); err != nil {
			return err
		}
	}
	return nil
}
