package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
	"github.com/popcask/popcask/projection"
)

// Host is a user of the library: a store, a POP3 server, and workers that
// deliver, list, retrieve and remove mail through both. It runs in a process of
// its own or within a test. Name, DC, Config and Record are required.
type Host struct {
	Name string // "dc1/a"
	DC   string

	// Life counts the earlier hosts of the same name, so that no two of them
	// write the same message.
	Life int

	// As names the host whose random choices it makes. "" means its own.
	As string

	// Config is that of the library. Order sets its clock.
	Config cassandra.Config

	// Index makes the index; nil means [projection.New].
	Index func(*cassandra.Session) cassandra.Index

	// Workers is how many of them work at the same time. 0 means 3.
	Workers int

	// Pause is how long a worker waits between two pieces of work, on average.
	// 0 means not at all.
	Pause time.Duration

	// Deadline is how long one operation may take. 0 means 5 seconds.
	Deadline time.Duration

	// Seed decides the choices of the workers.
	Seed uint64

	// Users are those whose mail is delivered and read. [Host.Order] changes
	// them.
	Users []string

	// Record is called twice for each operation: before it, with the outcome
	// Unknown, and, with the same number, after it. It is called from several
	// goroutines.
	Record func(number int64, op Op)

	// Ready is called after the host has connected. It may be nil.
	Ready func()

	once     sync.Once
	clock    clock
	users    atomic.Pointer[[]string]
	recorded atomic.Int64
}

// prepare fills in the defaults, once.
func (h *Host) prepare() { h.once.Do(h.fillIn) }

func (h *Host) fillIn() {
	if h.Workers == 0 {
		h.Workers = 3
	}
	if h.Deadline == 0 {
		h.Deadline = 5 * time.Second
	}
	if h.Index == nil {
		h.Index = func(s *cassandra.Session) cassandra.Index { return projection.New(s) }
	}
	if h.clock.right = h.Config.Now; h.clock.right == nil {
		h.clock.right = time.Now
	}
	h.Config.Now = h.clock.now
	h.users.Store(&h.Users)
}

// Order obeys an order: "users A B C", or "clock X", see clock.set.
func (h *Host) Order(order string) error {
	h.prepare()
	verb, rest, _ := strings.Cut(order, " ")
	switch verb {
	case "users":
		users := strings.Fields(rest)
		if len(users) == 0 {
			return errors.New("faults: no users")
		}
		h.users.Store(&users)
		return nil
	case "clock":
		return h.clock.set(rest)
	}
	return fmt.Errorf("faults: a host does not know %q", order)
}

// Run works until ctx ends, and then ends what it has begun. It tries to
// connect until that succeeds. Its error is something that the library must
// never do: everything else is in the history.
func (h *Host) Run(ctx context.Context) error {
	w, err := h.Open(ctx)
	for err != nil && ctx.Err() == nil {
		select { // its data centre may be down
		case <-time.After(500 * time.Millisecond):
			w, err = h.Open(ctx)
		case <-ctx.Done():
		}
	}
	if err != nil {
		return fmt.Errorf("faults: host %s: %w", h.Name, err)
	}
	server, address, err := h.serve(w.Store)
	if err != nil {
		return fmt.Errorf("faults: host %s: %w", h.Name, err)
	}
	if h.Ready != nil {
		h.Ready()
	}
	var working sync.WaitGroup
	for i := range h.Workers {
		w := &Worker{host: h, Store: w.Store, address: address, number: i, random: h.random(i)}
		working.Go(func() { w.work(ctx) })
	}
	working.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if err := errors.Join(server.Shutdown(closing), w.Store.Close(closing)); err != nil {
		return fmt.Errorf("faults: host %s: close: %w", h.Name, err)
	}
	return nil
}

// closeTime is how long the end of a host may take: the library purges what was
// removed, and tries that for some time.
const closeTime = time.Minute

// Open opens the store, for a worker that uses it directly. The caller closes
// the store.
func (h *Host) Open(ctx context.Context) (*Worker, error) {
	h.prepare()
	store, err := cassandra.Open(ctx, h.Config, h.Index)
	if err != nil {
		return nil, err
	}
	return &Worker{host: h, Store: store}, nil
}

// serve serves POP3 on a loopback port, with any password.
func (h *Host) serve(store mailbox.Store) (server *pop3.Server, address string, err error) {
	server = &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), store), AllowInsecureAuth: true, StoreTimeout: h.Deadline}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	go server.Serve(listener)
	return server, listener.Addr().String(), nil
}

// random returns the source of the choices of a worker.
func (h *Host) random(worker int) *rand.Rand {
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%s %d %d", cmp.Or(h.As, h.Name), h.Life, worker)
	return rand.New(rand.NewPCG(h.Seed, sum.Sum64()))
}
