package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
)

// Replace puts a new node in the place of one that does not run, at its
// address: with an empty disk, as the operator of a machine that is lost does.
// The new node takes over the tokens, and streams each range from one of the
// other replicas. So it has forgotten what that one does not have, until the
// cluster is repaired. Replace returns when it answers queries. Call Settle
// before it, so that the others take the old one for dead, and after it.
func (c *Cluster) Replace(ctx context.Context, node string) error {
	return c.do(ctx, "replace", request{Op: opReplace, Nodes: node})
}

// Join adds a new node with an empty disk, at the address of one that was
// decommissioned and killed, and with its tokens. It streams the ranges that it
// takes over. Join returns when it answers queries: see Settle.
func (c *Cluster) Join(ctx context.Context, node string) error {
	return c.do(ctx, "join", request{Op: opJoin, Nodes: node})
}

func (f *fleet) replace(ctx context.Context, nodes []*node, progress func(string)) error {
	return f.renew(ctx, nodes, func(n *node, t *Topology) {
		t.Settings["initial_token"] = nil // it gets those of the other
		t.JVM = append([]string{"-Dcassandra.replace_address_first_boot=" + n.Address}, t.JVM...)
	}, progress)
}

func (f *fleet) join(ctx context.Context, nodes []*node, progress func(string)) error {
	return f.renew(ctx, nodes, func(*node, *Topology) {}, progress)
}

// renew starts a node with an empty disk, which streams what it must have.
func (f *fleet) renew(ctx context.Context, nodes []*node, change func(*node, *Topology), progress func(string)) error {
	if len(nodes) != 1 {
		return errors.New("one node at a time: the others have its data")
	}
	n := nodes[0]
	if n.running() {
		return fmt.Errorf("node %s %w", n.Name, errRunning)
	}
	if err := os.RemoveAll(n.dir); err != nil {
		return err
	}
	t := f.spec.Topology
	t.Settings = map[string]any{"auto_bootstrap": true}
	maps.Copy(t.Settings, f.spec.Topology.Settings)
	change(n, &t)
	if err := n.writeConfig(f.spec.clusterName(), n.dir, f.seeds(n), t); err != nil { // a seed would not stream
		return err
	}
	if err := f.bootAs(ctx, n, t, progress); err != nil {
		return err
	}
	return f.configure() // for its next start
}
