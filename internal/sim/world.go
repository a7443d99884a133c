package sim

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/faults"
	"github.com/popcask/popcask/internal/sim/cluster"
)

// world is a history that is being played. All of it is in one bubble of
// testing/synctest, so that its time is virtual. One goroutine, the director,
// plays the events, and lets the statements of the hosts go on one at a time:
// see [world.step].
type world struct {
	history  History
	ignore   map[faults.Class]bool
	planted  Planted
	horizon  time.Duration
	chance   *chance
	cluster  *cluster.Cluster
	nodes    []*node
	hosts    []*host
	cut      bool // the data centres from each other
	cutSince time.Time
	hints    bool // the nodes keep them

	mu         sync.Mutex
	parked     []*call
	inline     bool // statements do not wait for the director: everything is quiet
	connecting bool // a host connects, for which every node is up: it would try until it can
	late       []late
	current    *host // it runs, and draws from crypto/rand
	running    map[int]*operation

	verb       string // of the event
	operations int
	ops        []faults.Op
	recorded   map[recordKey]int

	began      time.Time
	forgotten  bool      // a replica has forgotten something, or never had it, since the last full repair
	doubts     []doubt   // in which a quorum may miss what it has acknowledged
	repaired   time.Time // the last full repair
	replicated bool      // the replication was changed
	over       bool      // the history has ended: nothing is sent any more

	violations []faults.Violation // that the checker cannot see
	meter      *Coverage
	met        []Event // those that had an effect, in their order
	states     []Sighting
	statements int
	hash       uint64 // of all statements, their order, their times and how they ended
	tracing    bool
	trace      []string // the same as text, if it is wanted
}

// node is a node of the cluster, and how it is.
type node struct {
	*cluster.Node
	number      int
	down        bool
	since       time.Time // it is down
	overloaded  bool      // it answers reads, and drops writes
	snapshot    *cluster.Snapshot
	snapshotted time.Time
	gone        bool // decommissioned
}

const keyspace = "mail"

// newWorld builds the cluster of a history and starts its hosts.
func newWorld(h History, setup Setup, meter *Coverage, tracing bool) (*world, error) {
	w := &world{
		history: h, ignore: setup.Ignore, chance: newChance(h.Seed), hints: true,
		running: make(map[int]*operation), recorded: make(map[recordKey]int),
		began: time.Now(), repaired: time.Now(), meter: meter, tracing: tracing, inline: true,
	}
	if setup.Plant != nil {
		w.planted = setup.Plant()
	}
	rand.Reader = w
	var err error
	if err := w.awaitBorder(); err != nil {
		return nil, err
	}
	if w.horizon, err = time.ParseDuration(h.Horizon); err != nil {
		return nil, err
	}
	dcs, err := parseDCs(h.Cluster)
	if err != nil {
		return nil, err
	}
	if err := w.build(dcs); err != nil {
		return nil, err
	}
	hosts := strings.Fields(h.Hosts)
	if len(hosts) == 0 || len(hosts) >= len(aHost.names) {
		return nil, fmt.Errorf("sim: %d hosts", len(hosts))
	}
	for i, dc := range hosts {
		w.hosts = append(w.hosts, nil)
		if err := w.start(i, dc); err != nil {
			return nil, err
		}
	}
	if h.Bearable > 0 {
		w.cluster.SetThresholds(h.Bearable/2, h.Bearable)
	}
	w.inline = false
	return w, nil
}

// awaitBorder lets time pass until the border of the history is near. A month
// of 30 days ends with a day and an hour.
func (w *world) awaitBorder() error {
	if w.history.Border == "" {
		return nil
	}
	near, err := time.ParseDuration(w.history.Border)
	if err != nil {
		return err
	}
	const month = 30 * 24 * time.Hour
	w.pass(month - (time.Duration(time.Now().UnixNano())+near)%month)
	w.began, w.repaired = time.Now(), time.Now()
	return nil
}

// parseDCs reads the form "dc1:3,dc2:3/1": data centres with their nodes and,
// if it has fewer of them, replicas.
func parseDCs(text string) (dcs []cluster.DC, err error) {
	for _, part := range strings.Split(text, ",") {
		name, count, ok := strings.Cut(part, ":")
		nodes, replicas, fewer := strings.Cut(count, "/")
		dc := cluster.DC{Name: name}
		if dc.Nodes, err = strconv.Atoi(nodes); err != nil || !ok {
			return nil, fmt.Errorf("sim: data centre %q", part)
		}
		if dc.Replicas = dc.Nodes; fewer {
			if dc.Replicas, err = strconv.Atoi(replicas); err != nil {
				return nil, fmt.Errorf("sim: data centre %q", part)
			}
		}
		dcs = append(dcs, dc)
	}
	return dcs, nil
}

// templates are clusters with their tables and settings, by their data centres.
// A history begins with a copy.
var templates = make(map[string]*cluster.Cluster)

func (w *world) build(dcs []cluster.DC) error {
	key := w.history.Cluster
	if templates[key] == nil {
		w.adopt(cluster.New(dcs...))
		replication := make(cassandra.Replication)
		for _, dc := range dcs {
			if dc.Replicas > 0 {
				replication[dc.Name] = dc.Replicas
			}
		}
		// The cluster has the replication already.
		h := w.newHost(-1, "migrate", dcs[0].Name)
		if err := cassandra.Migrate(h.context(), h.config(), replication); err != nil {
			return err
		}
		templates[key] = w.cluster
	}
	w.adopt(templates[key].Clone())
	return nil
}

func (w *world) adopt(c *cluster.Cluster) {
	w.cluster, w.nodes = c, nil
	for i, n := range c.Nodes() {
		w.nodes = append(w.nodes, &node{Node: n, number: i})
	}
}

// node returns the node of the world that is a node of the cluster.
func (w *world) node(n *cluster.Node) *node {
	for _, candidate := range w.nodes {
		if candidate.Node == n {
			return candidate
		}
	}
	panic("sim: a node of another cluster")
}

// note adds a line to the trace.
func (w *world) note(format string, args ...any) {
	if !w.tracing {
		return
	}
	w.trace = append(w.trace, fmt.Sprintf("%12s  %s", time.Since(w.began).Round(time.Microsecond), fmt.Sprintf(format, args...)))
}

// Read implements [io.Reader] in place of [rand.Reader]: each process draws
// from a source of its own.
func (w *world) Read(octets []byte) (int, error) {
	if w.current == nil {
		clear(octets)
		return len(octets), nil
	}
	return w.current.random.Read(octets)
}
