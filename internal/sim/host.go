package sim

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
	"github.com/popcask/popcask/internal/faults"
	"github.com/popcask/popcask/projection"
)

// host is a process that uses the library. After it was killed, another one
// takes its place: the next life of the host.
type host struct {
	world  *world
	name   string // "dc1/a"
	dc     string
	number int
	life   int
	worker *faults.Worker
	index  cassandra.Index
	random *drawn        // what it draws from crypto/rand
	skew   time.Duration // of its clock
	letter int           // the number of its last message

	dead   bool
	frozen bool

	// Before its next statements something happens: after how many of them, or
	// never, if negative.
	freezes, crashes, drops, refuses int
}

// start starts a process of a host. Nothing disturbs it until it has connected.
func (w *world) start(number int, dc string) error {
	h := w.newHost(number, dc+"/"+aHost.name(number), dc)
	if before := w.hosts[number]; before != nil {
		h.life, h.letter = before.life+1, before.letter
	}
	h.random.source = w.source(number, h.life)
	return w.connect(h)
}

// newHost returns a host that has not connected yet.
func (w *world) newHost(number int, name, dc string) *host {
	return &host{
		world: w, number: number, name: name, dc: dc, random: &drawn{source: w.source(number, 0)},
		freezes: -1, crashes: -1, drops: -1, refuses: -1,
	}
}

func (w *world) source(number, life int) *rand.Rand {
	return rand.New(rand.NewPCG(w.history.Seed, 1<<32|uint64(number)<<16|uint64(life)))
}

// connect opens the store of a host, and puts it in its place.
func (w *world) connect(h *host) error {
	inline := w.inline
	w.setInline(true)
	w.connecting = true
	defer func() {
		w.setInline(inline)
		w.connecting = false
	}()
	w.current = h
	client := &faults.Host{
		Name: h.name, DC: h.dc, Life: h.life, Config: h.config(), Deadline: h.deadline(), Record: h.record,
		Index: func(s *cassandra.Session) cassandra.Index {
			h.index = projection.New(s)
			if w.planted.Index != nil {
				h.index = w.planted.Index(h.index)
			}
			return h.index
		},
	}
	worker, err := client.Open(h.context())
	if err != nil {
		return fmt.Errorf("sim: host %s: %w", h.name, err)
	}
	h.worker = worker
	if h.number >= 0 {
		w.hosts[h.number] = h
	}
	return nil
}

// deadline is how long an operation of the host may take. The time of a virtual
// machine that is frozen does not pass, so that some hosts go on where they
// were, also after days.
func (h *host) deadline() time.Duration {
	if h.number == 1 {
		return 10 * time.Minute
	}
	return 60 * 24 * time.Hour
}

func (w *world) setInline(inline bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inline = inline
}

// context returns a context with which the library connects to the simulated
// cluster.
func (h *host) context() context.Context {
	return driver.WithConnect(context.Background(), func(ctx context.Context, c driver.Config) (driver.Connection, error) {
		if c.Check == nil {
			return db{h}, nil
		}
		return db{h}, c.Check(ctx, db{h})
	})
}

// config is the configuration of the library. Everything that it would draw at
// random is drawn from the seed.
func (h *host) config() cassandra.Config {
	uid := uint32(h.number+2)<<8 + uint32(h.life) // the same for all messages: it must do no harm
	c := cassandra.Config{
		Hosts: []string{"sim"}, LocalDC: h.dc, Keyspace: keyspace,
		Horizon: h.world.horizon, BucketMessages: h.world.history.Crowd, PurgeWorkers: 1,
		SealAfter: 1, ProofWorkers: 1, // a look after every removal
		Now:    func() time.Time { return time.Now().Add(h.skew) },
		UID:    func() uint32 { return uid },
		ModSeq: func() int64 { return int64(uid) },
	}
	if wrap := h.world.planted.Wrap; wrap != nil {
		c.Wrap = wrap(h.name)
	}
	return c
}

// err returns an error if the process was killed, or the history is over.
func (h *host) err() error {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	if h.dead || h.world.over {
		return errKilled
	}
	return nil
}

// counted counts down to what happens before the next statement of the host.
// It reports whether the statement goes on.
func (h *host) counted(st *cql.Statement) bool {
	due := func(after *int) bool {
		if *after >= 0 {
			*after--
			return *after < 0
		}
		return false
	}
	switch {
	case due(&h.crashes):
		h.world.meter.count(st, killedBefore)
		h.crash()
		return false
	case due(&h.freezes):
		h.world.meter.count(st, frozenBefore)
		h.world.note("%s stands still", h.name)
		h.frozen = true
		return false
	}
	return true
}

// loses reports whether the answer to the next statement gets lost, and whether
// it is applied all the same.
func (h *host) loses() (loses, applies bool) {
	for _, f := range []struct {
		after   *int
		applies bool
	}{{&h.drops, true}, {&h.refuses, false}} {
		if *f.after >= 0 {
			if *f.after--; *f.after < 0 {
				return true, f.applies
			}
		}
	}
	return false, false
}

// crash kills the process: what it was about to send is not sent, and none
// hears the end of what it was doing. Another process takes its place.
func (h *host) crash() {
	w := h.world
	w.note("%s is killed", h.name)
	w.kill(h)
	if err := w.start(h.number, h.dc); err != nil {
		w.violate(NeverEnds, "%s does not start again: %v", h.name, err)
	}
}

// kill ends a process. What it was about to send is not sent.
func (w *world) kill(h *host) {
	w.mu.Lock()
	h.dead = true
	var ends, others []*call
	for _, c := range w.parked {
		if c.host == h {
			ends = append(ends, c)
		} else {
			others = append(others, c)
		}
	}
	w.parked = others
	w.mu.Unlock()
	slices.SortStableFunc(ends, (*call).compare)
	for _, c := range ends { // one after the other, so that a seed gives the same each time
		close(c.wake)
		w.settle()
	}
	maps.DeleteFunc(w.running, func(_ int, o *operation) bool { return o.host == h })
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	go h.worker.Store.Close(ended)
	w.settle()
}

type recordKey struct {
	host   *host
	number int64
}

// record records an operation. It is not known how the last ones of a killed
// process ended.
func (h *host) record(number int64, op faults.Op) {
	w := h.world
	if as := w.planted.Acknowledged; as != nil && op.Kind == faults.Deliver && op.Outcome == faults.OK {
		op.Message.ID = as(op.Message.ID)
		op.Message.UIDL = op.Message.ID
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if place, called := w.recorded[recordKey{h, number}]; called {
		if !h.dead && !w.over {
			w.ops[place] = op
		}
		return
	}
	w.recorded[recordKey{h, number}] = len(w.ops)
	w.ops = append(w.ops, op)
}

// drawn is what a process has drawn at random. A copy of the process, made from
// a snapshot of its virtual machine, has drawn the same, and draws by itself
// from then on. It is not known what a process draws once and keeps, and what it
// draws each time anew. So the first copy draws all of it again, and the others
// do not: what is drawn anew is not the same in two of them.
type drawn struct {
	source *rand.Rand
	old    []byte // the copy has still to draw it
	all    []byte
	copied bool // there is a copy
}

// Read implements [io.Reader].
func (d *drawn) Read(p []byte) (int, error) {
	n := copy(p, d.old)
	d.old = d.old[n:]
	for i := n; i < len(p); i++ {
		p[i] = byte(d.source.Uint32())
	}
	d.all = append(d.all, p...)
	return len(p), nil
}
