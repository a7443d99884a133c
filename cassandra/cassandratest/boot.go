package cassandratest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// startLimit is how long a node may take to answer. On an idle machine it takes
// four seconds; on a busy one with many nodes, many times that.
const startLimit = 4 * time.Minute

// fleet is the nodes of one cluster, in the hands of the keeper.
type fleet struct {
	spec    spec
	nodes   []*node
	network *network // of a WAN, else nil
	release func()   // gives the addresses back
	state   sync.Mutex
}

// layoutFile is what must not change while a cluster has data.
type layoutFile struct {
	Cluster string
	Version string
	DCs     []DC
	WAN     bool `json:",omitempty"`
	Nodes   []nodeSpec

	// Software is what the processes run on now, Namespaces the paths by which
	// those of a data centre are entered now; they may change.
	Software   software
	Namespaces map[string]string `json:",omitempty"`
}

func (s spec) layoutPath() string { return filepath.Join(s.Dir, "layout.json") }

// newFleet chooses the addresses, or takes those of the data that is there, and
// writes the configuration of every node.
func newFleet(s spec) (*fleet, error) {
	base, err := runtimeDir()
	if err != nil {
		return nil, err
	}
	f := &fleet{spec: s}
	layout := layoutFile{Cluster: s.clusterName(), Version: Version, DCs: s.Topology.DCs, WAN: s.Topology.WAN}
	if old, err := os.ReadFile(s.layoutPath()); err == nil && s.Keep {
		layout = layoutFile{}
		if err := json.Unmarshal(old, &layout); err != nil {
			return nil, fmt.Errorf("%s: %w", s.layoutPath(), err)
		}
		if FormatDCs(layout.DCs) != FormatDCs(s.Topology.DCs) || layout.Version != Version {
			return nil, fmt.Errorf("%s holds a cluster %s of Cassandra %s: ask for that, or choose another directory",
				s.Dir, FormatDCs(layout.DCs), layout.Version)
		}
		if layout.WAN != s.Topology.WAN {
			return nil, fmt.Errorf("%s holds a cluster %s: its addresses are those of its network, choose another directory",
				s.Dir, map[bool]string{true: "with a WAN", false: "without a WAN"}[layout.WAN])
		}
		places := make([]place, len(layout.Nodes))
		for i, n := range layout.Nodes {
			places[i] = n.place
		}
		if s.Topology.WAN {
			f.release, err = claimSameSubnets(base, places)
		} else {
			f.release, err = claimSame(base, places)
		}
		if err != nil {
			return nil, err
		}
	} else {
		var places []place
		if s.Topology.WAN {
			places, f.release, err = claimSubnets(base, s.Topology.DCs)
		} else {
			places, f.release, err = claimPlaces(base, s.Topology.nodeCount())
		}
		if err != nil {
			return nil, err
		}
		layout.Nodes = layOut(s.Topology, places)
		if err := writeJSON(s.layoutPath(), layout); err != nil {
			return nil, err
		}
	}
	threads := map[string]thread{}
	if s.Topology.WAN {
		if f.network, err = openNetwork(layout.Nodes); err != nil {
			return nil, fmt.Errorf("the network of the data centres: %w", err)
		}
		for _, c := range f.network.centres {
			threads[c.name] = c.thread
		}
	} else {
		one := newThread()
		for _, dc := range layout.DCs {
			threads[dc.Name] = one
		}
	}
	var where host = local{s.Software.Java}
	if s.Software.Docker {
		where = docker{layout.Cluster}
	}
	for _, n := range layout.Nodes {
		where.clear(n)
		f.nodes = append(f.nodes, &node{
			nodeSpec: n, dir: filepath.Join(s.Dir, "nodes", n.Name), log: filepath.Join(s.Dir, "logs", n.Name+".log"),
			host: where, thread: threads[n.DC],
		})
	}
	return f, f.configure()
}

// bootAll starts every node that is not running, and returns when each answers
// and takes all others for alive. The first goes ahead, so that the others find
// somebody to gossip with; of those no more start at once than the machine has
// cores, as a node that starts is a core's worth of work.
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
		return createProbe(ctx, first.place, f.spec.Topology.DCs)
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
	slots := make(chan struct{}, max(2, runtime.NumCPU()))
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if errs[i] = f.boot(ctx, n, progress); errs[i] != nil {
				cancel(errors.New("another node did not start"))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// boot starts one node and waits until it answers.
func (f *fleet) boot(ctx context.Context, n *node, progress func(string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no answer within %s", startLimit))
	defer cancel()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	began := time.Now()
	progress(fmt.Sprintf("node %s starts on %s", n.Name, n.cql()))
	if err := n.start(n.javaArgs(n.dir, f.spec.Software, f.spec.Topology)); err != nil {
		return err
	}
	f.writeState()
	err := poll(ctx, n.died(), func(ctx context.Context) error { return answers(ctx, n.place) })
	if err != nil {
		return fmt.Errorf("node %s did not start: %w; the end of %s:\n%s", n.Name, err, n.log, n.logTail())
	}
	progress(fmt.Sprintf("node %s answers after %s", n.Name, time.Since(began).Round(100*time.Millisecond)))
	return nil
}

// settle waits until every serving node takes exactly the serving nodes for
// alive that it can hear of. The failure detector needs about 15 s to give up a
// killed node.
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
	errs := make([]error, len(serving))
	var wg sync.WaitGroup
	for i, n := range serving {
		near := 0
		for _, other := range serving {
			if f.network.reaches(n.DC, other.DC) {
				near++
			}
		}
		wg.Go(func() {
			err := poll(ctx, n.died(), func(ctx context.Context) error {
				return sees(ctx, n.place, near, len(f.nodes))
			})
			if err != nil {
				errs[i] = fmt.Errorf("node %s: %w", n.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stopAll ends every node: at once, or with a goodbye when the data is kept.
func (f *fleet) stopAll() {
	var wg sync.WaitGroup
	for _, n := range f.nodes {
		wg.Go(func() {
			if f.spec.Keep {
				n.shutdown(30 * time.Second)
			} else {
				n.kill()
			}
		})
	}
	wg.Wait()
	f.network.close()
	f.release()
	os.Remove(f.spec.statePath())
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
