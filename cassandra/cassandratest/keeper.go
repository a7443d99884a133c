package cassandratest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/child"
)

// keeperJob is what a keeper is called, also in a list of processes.
const keeperJob = "popcask-cassandra-keeper"

// A test binary has no main function of ours, and a TestMain in every package
// that uses this one would be forgotten. So the keeper starts here. In other
// processes this does nothing.
func init() { child.Main(keeperJob, keep) }

// firstLease is how long a keeper waits for the test that started it.
const firstLease = 10 * time.Second

// keeper is the parent of the nodes of one cluster. It is a process of its own,
// which ends Grace after the last lease.
type keeper struct {
	spec   spec
	ctx    context.Context // ends with the keeper
	end    context.CancelFunc
	gone   chan struct{} // closed when nodes and files are gone
	conns  sync.WaitGroup
	booted *bootRun

	mu       sync.Mutex
	fleet    *fleet
	leases   int
	idle     *time.Timer
	keepLogs bool
}

// keep is the main function of a keeper.
func keep(s spec) error {
	spawner := handshake{os.NewFile(3, "handshake")}
	socket, lockPath, err := s.meetingPoint()
	if err != nil {
		return err
	}
	lock, err := awaitTurn(lockPath, spawner)
	if err != nil || lock == nil {
		return err
	}
	defer lock.Close()
	endLeftovers(s)
	tidy(filepath.Dir(lockPath))
	os.Remove(socket) // of a keeper that was killed: we have the lock
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	k := &keeper{spec: s, gone: make(chan struct{}), keepLogs: !s.Topology.Private}
	k.ctx, k.end = signal.NotifyContext(context.Background(), os.Interrupt, sigTerm)
	k.idle = time.AfterFunc(firstLease, k.end)
	go k.serve(listener)
	spawner.say("ok\n")
	spawner.Close()

	<-k.ctx.Done()
	listener.Close()
	k.stop()
	if s.Topology.Private {
		os.Remove(lockPath)
	}
	close(k.gone)
	k.conns.Wait()
	return nil
}

// awaitTurn waits until an earlier keeper has ended. It returns nil if the
// process that started this one does not wait any more.
func awaitTurn(path string, spawner handshake) (*os.File, error) {
	for {
		lock, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		if spawner.say(".") != nil {
			return nil, nil
		}
		time.Sleep(pollEvery)
	}
}

// handshake is the pipe by which a keeper tells the process that started it how
// far it is: "." it waits for another keeper to end, "ok" it listens.
type handshake struct{ *os.File }

func (h handshake) say(word string) error {
	_, err := h.WriteString(word)
	return err
}

func (k *keeper) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		k.conns.Go(func() {
			defer conn.Close()
			k.handle(conn)
		})
	}
}

// handle answers the request of one connection.
func (k *keeper) handle(conn net.Conn) {
	var r request
	lines := json.NewDecoder(conn)
	if lines.Decode(&r) != nil {
		return
	}
	// The client sends nothing more: reading returns when it has ended.
	ctx, cancel := context.WithCancel(k.ctx)
	defer cancel()
	go func() {
		var more request
		lines.Decode(&more)
		cancel()
	}()
	out := json.NewEncoder(conn)
	progress := func(line string) { out.Encode(reply{Progress: line}) }

	switch r.Op {
	case opLease:
		switch err := k.take(); {
		case errors.Is(err, errEnding):
			return // the client hears nothing and starts another keeper
		case err != nil:
			out.Encode(reply{Done: true, Error: k.spec.Dir, InUse: true})
			return
		}
		defer k.give()
		out.Encode(reply{})
		layout, err := k.await(ctx, progress)
		out.Encode(answer(layout, err))
		if err != nil {
			k.mu.Lock()
			k.keepLogs = true // the error names them
			k.mu.Unlock()
			k.end()
			<-k.gone // so that the next keeper finds nothing left
			return
		}
		<-ctx.Done()
	case opEnd:
		k.mu.Lock()
		k.keepLogs = r.KeepLogs
		k.mu.Unlock()
		k.end()
		<-k.gone
		out.Encode(answer(nil, nil))
	case opMove:
		out.Encode(reply{})
		out.Encode(answer(k.move(ctx, r.Nodes, progress)))
	case opLink:
		out.Encode(reply{})
		traffic, err := k.link(r.Link)
		done := answer(nil, err)
		done.Traffic = traffic
		out.Encode(done)
	default:
		out.Encode(reply{})
		out.Encode(answer(nil, k.operate(ctx, r, progress)))
	}
}

func answer(layout *layoutFile, err error) reply {
	if err != nil {
		return reply{Done: true, Error: err.Error()}
	}
	return reply{Done: true, Layout: layout}
}

var errEnding = errors.New("the keeper is ending")

// take adds a lease. A private cluster has one, from its start to its end.
func (k *keeper) take() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.ctx.Err() != nil:
		return errEnding
	case k.spec.Topology.Private && k.leases > 0:
		return errInUse
	}
	k.leases++
	k.idle.Stop()
	return nil
}

// give ends a lease. The last one starts the time of grace.
func (k *keeper) give() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.leases--; k.leases > 0 {
		return
	}
	grace := k.spec.Topology.Grace
	if k.spec.Topology.Private || grace < 0 {
		k.end()
		return
	}
	k.idle = time.AfterFunc(grace, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.leases == 0 {
			k.end()
		}
	})
}

// bootRun is a start of the cluster, which any number of leases wait for.
type bootRun struct {
	mu      sync.Mutex
	lines   []string
	done    bool
	err     error
	changed chan struct{} // closed and replaced at every change
}

func (b *bootRun) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// await returns when the cluster is up. The first lease starts it. A later one
// that finds a node dead starts that node.
func (k *keeper) await(ctx context.Context, progress func(string)) (*layoutFile, error) {
	k.mu.Lock()
	if k.booted == nil || k.finished(k.booted) && !k.fleet.allRunning() {
		b := &bootRun{changed: make(chan struct{})}
		k.booted = b
		go func() {
			err := k.boot(func(line string) { b.change(func() { b.lines = append(b.lines, line) }) })
			b.change(func() { b.done, b.err = true, err })
		}()
	}
	b := k.booted
	k.mu.Unlock()

	shown := 0
	if k.finished(b) {
		shown = len(b.lines) // of an earlier lease
	}
	for {
		b.mu.Lock()
		lines, done, err, changed := b.lines[shown:], b.done, b.err, b.changed
		b.mu.Unlock()
		for _, line := range lines {
			progress(line)
		}
		shown += len(lines)
		if done {
			if err != nil {
				return nil, err
			}
			return k.layout(), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (k *keeper) finished(b *bootRun) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done && b.err == nil
}

func (f *fleet) allRunning() bool {
	for _, n := range f.nodes {
		if !n.running() {
			return false
		}
	}
	return true
}

func (k *keeper) boot(progress func(string)) error {
	k.mu.Lock()
	f := k.fleet
	k.mu.Unlock()
	if f == nil {
		if err := prepare(k.ctx, k.spec.Software, progress); err != nil {
			return err
		}
		if !k.spec.Keep {
			for _, sub := range []string{"nodes", "logs"} {
				os.RemoveAll(filepath.Join(k.spec.Dir, sub))
			}
		}
		var err error
		if f, err = newFleet(k.spec); err != nil {
			return err
		}
		k.mu.Lock()
		k.fleet = f
		k.mu.Unlock()
	}
	return f.bootAll(k.ctx, progress)
}

func (k *keeper) layout() *layoutFile {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := &layoutFile{
		Cluster: k.spec.clusterName(), Version: Version, DCs: k.spec.Topology.DCs, WAN: k.spec.Topology.WAN,
		Software: k.spec.Software, Namespaces: k.fleet.network.paths(),
	}
	for _, n := range k.fleet.nodes {
		l.Nodes = append(l.Nodes, n.nodeSpec)
	}
	return l
}

// stop ends the nodes and removes the files that are not kept.
func (k *keeper) stop() {
	k.mu.Lock()
	b := k.booted
	k.mu.Unlock()
	for b != nil { // a start ends by itself: its context has ended
		b.mu.Lock()
		done, changed := b.done, b.changed
		b.mu.Unlock()
		if done {
			break
		}
		<-changed
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fleet != nil {
		k.fleet.stopAll()
	}
	if k.spec.Keep {
		return
	}
	os.RemoveAll(filepath.Join(k.spec.Dir, "nodes"))
	if !k.keepLogs {
		os.RemoveAll(k.spec.Dir)
	}
}
