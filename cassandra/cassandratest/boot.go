package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

// startLimit is how long a node may take to answer. It takes four seconds on an
// idle machine, and many times that on a busy one with many nodes.
const startLimit = 4 * time.Minute

// bootAll starts every node that does not run, and returns when each answers
// and takes all others for alive. The first one starts alone, so that the
// others find a node to gossip with. Of the others no more start at once than
// the machine has cores, since a node that starts keeps a core busy.
func (f *fleet) bootAll(ctx context.Context, progress func(string)) error {
	var down []*node
	for _, n := range f.nodes {
		if !n.running() {
			down = append(down, n)
		}
	}
	if len(down) == 0 {
		return nil
	}
	rest := down
	if len(down) == len(f.nodes) {
		if err := f.boot(ctx, down[0], progress); err != nil {
			return err
		}
		rest = down[1:]
	}
	if err := f.bootSome(ctx, rest, progress); err != nil {
		return err
	}
	if len(f.nodes) == 1 {
		return nil
	}
	first := f.nodes[0]
	err := poll(ctx, first.died(), func(ctx context.Context) error {
		return createProbe(ctx, first.place, f.spec.Topology)
	})
	if err != nil {
		return fmt.Errorf("the nodes run, but do not find each other: %w\n%s", err, first.logTail())
	}
	return f.settle(ctx)
}

// bootSome starts nodes side by side.
func (f *fleet) bootSome(ctx context.Context, nodes []*node, progress func(string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return parallel.Each(max(2, runtime.NumCPU()), len(nodes), func(i int) error {
		err := f.boot(ctx, nodes[i], progress)
		if err != nil {
			cancel(errors.New("another node did not start"))
		}
		return err
	})
}

// boot starts one node and waits until it answers.
func (f *fleet) boot(ctx context.Context, n *node, progress func(string)) error {
	return f.bootAs(ctx, n, f.spec.Topology, progress)
}

// bootAs is boot with the arguments of java of another topology.
func (f *fleet) bootAs(ctx context.Context, n *node, t Topology, progress func(string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no answer within %s", startLimit))
	defer cancel()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	began := time.Now()
	progress(fmt.Sprintf("node %s starts on %s", n.Name, n.cql()))
	if err := n.start(n.javaArgs(n.dir, f.spec.Software, t)); err != nil {
		return err
	}
	f.writeState()
	err := poll(ctx, n.died(), func(ctx context.Context) error { return answers(ctx, n.place, f.spec.Topology) })
	if err != nil {
		return fmt.Errorf("node %s did not start: %w; the end of %s:\n%s", n.Name, err, n.log, n.logTail())
	}
	progress(fmt.Sprintf("node %s answers after %s", n.Name, time.Since(began).Round(100*time.Millisecond)))
	return nil
}

// settle waits until every serving node takes exactly those serving nodes for
// alive that it can hear of. The failure detector needs about 15 s for a killed
// node.
func (f *fleet) settle(ctx context.Context) error {
	if len(f.nodes) == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("the nodes do not agree within %s on which of them are alive", startLimit))
	defer cancel()
	var serving []*node
	for _, n := range f.nodes {
		if n.serving() {
			serving = append(serving, n)
		}
	}
	return parallel.Each(len(serving), len(serving), func(i int) error {
		n, near := serving[i], 0
		for _, other := range serving {
			if f.network.reaches(n.DC, other.DC) {
				near++
			}
		}
		err := poll(ctx, n.died(), func(ctx context.Context) error { return sees(ctx, n.place, f.spec.Topology, near) })
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
		return nil
	})
}
