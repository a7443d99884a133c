package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// shutdownPatience is how long a node may take to end by itself.
const shutdownPatience = 30 * time.Second

var errNotStarted = errors.New("the cluster has not started")

// operate does something to nodes for a test.
func (k *keeper) operate(ctx context.Context, r request, progress func(string)) error {
	k.mu.Lock()
	f := k.fleet
	k.mu.Unlock()
	if f == nil {
		return errNotStarted
	}
	nodes, err := f.choose(r.Nodes)
	if err != nil {
		return err
	}
	each := func(do func(*node) error) error {
		var errs []error
		for _, n := range nodes {
			errs = append(errs, do(n))
		}
		return errors.Join(errs...)
	}
	switch r.Op {
	case opKill:
		return each((*node).kill)
	case opPause:
		return each(func(n *node) error { return n.signal(os.Signal(sigStop)) })
	case opResume:
		return each(func(n *node) error { return n.signal(os.Signal(sigCont)) })
	case opShutdown:
		return each(func(n *node) error { return n.shutdown(shutdownPatience) })
	case opBoot:
		for _, n := range nodes {
			if n.running() {
				return fmt.Errorf("node %s %w", n.Name, errRunning)
			}
		}
		return f.bootSome(ctx, nodes, progress)
	case opReplace:
		return f.replace(ctx, nodes, progress)
	case opJoin:
		return f.join(ctx, nodes, progress)
	case opSettle:
		return f.settle(ctx)
	}
	return fmt.Errorf("the keeper does not know %q: it is of another version", r.Op)
}

// choose returns the nodes of a name: that of a node, of a data centre, or ""
// for all.
func (f *fleet) choose(name string) ([]*node, error) {
	var nodes []*node
	for _, n := range f.nodes {
		if name == "" || n.Name == name || n.DC == name {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		var names []string
		for _, n := range f.nodes {
			names = append(names, n.Name)
		}
		return nil, fmt.Errorf("no node and no data centre is called %q; there are %s", name, strings.Join(names, ", "))
	}
	return nodes, nil
}
