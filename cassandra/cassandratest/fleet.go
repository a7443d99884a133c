package cassandratest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/popcask/popcask/internal/parallel"
)

// fleet is the nodes of one cluster. The keeper has it.
type fleet struct {
	spec    spec
	nodes   []*node
	network *network // of a WAN; nil without one
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

// newFleet claims addresses for the nodes and writes the configuration of each.
func newFleet(s spec) (*fleet, error) {
	f := &fleet{spec: s}
	layout, err := f.claim()
	if err != nil {
		return nil, err
	}
	threads, err := f.threads(layout)
	if err != nil {
		return nil, err
	}
	var in host = local{s.Software.Java}
	if s.Software.Docker {
		in = docker{layout.Cluster}
	}
	for _, n := range layout.Nodes {
		in.clear(n)
		f.nodes = append(f.nodes, &node{
			nodeSpec: n, dir: filepath.Join(s.Dir, "nodes", n.Name), log: filepath.Join(s.Dir, "logs", n.Name+".log"),
			host: in, thread: threads[n.DC],
		})
	}
	return f, f.configure()
}

// claim chooses the addresses, or takes those of the data that is there, and
// holds them until f.release is called.
func (f *fleet) claim() (layout layoutFile, err error) {
	base, err := runtimeDir()
	if err != nil {
		return layoutFile{}, err
	}
	s := f.spec
	if s.Keep {
		layout, err = s.readLayout()
		if err == nil {
			f.release, err = claimAgain(base, layout)
			return layout, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return layoutFile{}, err
		}
	}
	var places []place
	if s.Topology.WAN {
		places, f.release, err = claimSubnets(base, s.Topology.DCs)
	} else {
		places, f.release, err = claimPlaces(s.Topology.nodeCount())
	}
	if err != nil {
		return layoutFile{}, err
	}
	layout = layoutFile{
		Cluster: s.clusterName(), Version: Version, DCs: s.Topology.DCs, WAN: s.Topology.WAN, Nodes: layOut(s.Topology, places),
	}
	return layout, writeJSON(s.layoutPath(), layout)
}

// readLayout reads the layout of the data that is there, which must be that of
// the cluster that is asked for.
func (s spec) readLayout() (layout layoutFile, err error) {
	text, err := os.ReadFile(s.layoutPath())
	if err != nil {
		return layoutFile{}, err
	}
	if err := json.Unmarshal(text, &layout); err != nil {
		return layoutFile{}, fmt.Errorf("%s: %w", s.layoutPath(), err)
	}
	if FormatDCs(layout.DCs) != FormatDCs(s.Topology.DCs) || layout.Version != Version {
		return layoutFile{}, fmt.Errorf("%s holds a cluster %s of Cassandra %s: ask for that, or choose another directory",
			s.Dir, FormatDCs(layout.DCs), layout.Version)
	}
	if layout.WAN != s.Topology.WAN {
		return layoutFile{}, fmt.Errorf("%s holds a cluster %s: its addresses are those of its network, choose another directory",
			s.Dir, map[bool]string{true: "with a WAN", false: "without a WAN"}[layout.WAN])
	}
	return layout, nil
}

// claimAgain claims the addresses of nodes that have data already.
func claimAgain(base string, layout layoutFile) (release func(), err error) {
	places := make([]place, len(layout.Nodes))
	for i, n := range layout.Nodes {
		places[i] = n.place
	}
	if layout.WAN {
		return claimSameSubnets(base, places)
	}
	return claimSame(places)
}

// threads returns the thread on which the nodes of each data centre start. For
// a WAN it builds the network, and each thread is in that of its data centre.
func (f *fleet) threads(layout layoutFile) (map[string]thread, error) {
	threads := make(map[string]thread)
	if !layout.WAN {
		one := newThread()
		for _, dc := range layout.DCs {
			threads[dc.Name] = one
		}
		return threads, nil
	}
	var err error
	if f.network, err = openNetwork(layout.Nodes); err != nil {
		return nil, fmt.Errorf("the network of the data centres: %w", err)
	}
	for _, c := range f.network.centres {
		threads[c.name] = c.thread
	}
	return threads, nil
}

// stopAll ends every node: with SIGKILL, or with SIGTERM if the data is kept.
func (f *fleet) stopAll() {
	parallel.Each(len(f.nodes), len(f.nodes), func(i int) error {
		if f.spec.Keep {
			return f.nodes[i].shutdown(shutdownPatience)
		}
		return f.nodes[i].kill()
	})
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
