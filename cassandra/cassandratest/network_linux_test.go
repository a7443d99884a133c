package cassandratest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/child"
)

// wan is a network without nodes, with an echo on each node's address.
type wan struct {
	t       *testing.T // nil in a process that is no test
	net     *network
	guard   *guard
	subnets []netip.Prefix
	close   func() // ends all but the guard
}

// lockDir returns the directory of the real locks, so that a test does not take
// the subnet that a cluster is about to use.
func lockDir(t *testing.T) string {
	dir, err := runtimeDir()
	require.NoError(t, err)
	return dir
}

// openWAN makes a network that ends with the test.
func openWAN(t *testing.T, dcs ...DC) *wan {
	t.Helper()
	w, err := newWAN(lockDir(t), dcs...)
	switch {
	case errors.Is(err, errNoWANHere):
		t.Skip(err)
	case errors.Is(err, errNoWAN):
		missing(t, err)
	}
	require.NoError(t, err)
	w.t = t
	t.Cleanup(func() {
		w.close()
		w.guard.close()
	})
	return w
}

func newWAN(locks string, dcs ...DC) (w *wan, err error) {
	w = &wan{}
	if w.guard, err = openGuard(); err != nil {
		return nil, err
	}
	places, release, err := claimSubnets(locks, dcs)
	if err != nil {
		return nil, err
	}
	if w.net, err = openNetwork(layOut(Topology{DCs: dcs}, places)); err != nil {
		return nil, err
	}
	var echoes []*echo
	w.close = sync.OnceFunc(func() {
		for _, e := range echoes {
			e.close()
		}
		w.net.close()
		release()
	})
	for _, c := range w.net.centres {
		w.subnets = append(w.subnets, c.subnet)
		for _, address := range c.addresses {
			e, err := newEcho(c, address)
			if err != nil {
				w.close()
				return nil, err
			}
			echoes = append(echoes, e)
		}
	}
	return w, w.guard.stand(w.subnets)
}

const echoPort = "7007"

// echo says what it hears, on the address of a node.
type echo struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newEcho(c *centre, address string) (e *echo, err error) {
	e = &echo{}
	err = c.thread.do(func() error {
		e.Listener, err = net.Listen("tcp4", net.JoinHostPort(address, echoPort))
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := e.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			e.conns = append(e.conns, conn)
			e.mu.Unlock()
			go io.Copy(conn, conn)
		}
	}()
	return e, nil
}

func (e *echo) close() {
	e.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, conn := range e.conns {
		conn.Close()
	}
}

// dial connects from a data centre, or from this program's own network with "",
// to the first node of another.
func (w *wan) dial(from, to string, patience time.Duration) (conn net.Conn, err error) {
	address := net.JoinHostPort(w.centre(to).addresses[0], echoPort)
	if from == "" {
		return net.DialTimeout("tcp4", address, patience)
	}
	err = w.centre(from).thread.do(func() error {
		conn, err = net.DialTimeout("tcp4", address, patience)
		return err
	})
	return conn, err
}

func (w *wan) centre(name string) *centre {
	i := slices.IndexFunc(w.net.centres, func(c *centre) bool { return c.name == name })
	return w.net.centres[i]
}

// trip returns the shortest of several round trips on one connection: the
// others also waited for the processor.
func (w *wan) trip(from, to string) time.Duration {
	best, err := w.tryTrip(from, to)
	require.NoError(w.t, err)
	return best
}

func (w *wan) tryTrip(from, to string) (best time.Duration, err error) {
	conn, err := w.dial(from, to, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	best = time.Hour
	for range 5 {
		began := time.Now()
		if _, err := conn.Write([]byte("x")); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			return 0, err
		}
		best = min(best, time.Since(began))
	}
	return best, nil
}

func (w *wan) order(o linkOrder) {
	_, err := w.net.order(o)
	require.NoError(w.t, err)
}

func TestWANDelaysWhatPassesBetweenDataCentres(t *testing.T) {
	w := openWAN(t, DC{"paris", 2}, DC{"tokyo", 1}, DC{"lima", 1})
	delay := 25 * time.Millisecond
	undelayed := w.trip("paris", "tokyo")
	w.order(linkOrder{A: "tokyo", B: "paris", Delay: &delay})
	for _, way := range []course{{"paris", "tokyo"}, {"tokyo", "paris"}} {
		rtt := w.trip(way.from, way.to)
		t.Logf("%s-%s: %s without a delay, %s with %s each way", way.from, way.to, undelayed, rtt, delay)
		require.GreaterOrEqual(t, rtt, 50*time.Millisecond)
		require.Less(t, rtt, 60*time.Millisecond)
	}
	for _, way := range []course{{"paris", "lima"}, {"lima", "tokyo"}, {"", "paris"}, {"", "tokyo"}, {"", "lima"}, {"paris", "paris"}} {
		rtt := w.trip(way.from, way.to)
		t.Logf("%q-%s: %s", way.from, way.to, rtt)
		require.Less(t, rtt, 20*time.Millisecond, "%v is another way", way)
	}
}

func TestWANIsCut(t *testing.T) {
	w := openWAN(t, DC{"paris", 1}, DC{"tokyo", 1}, DC{"lima", 1})
	conn, err := w.dial("paris", "tokyo", 5*time.Second)
	require.NoError(t, err)
	defer conn.Close()
	silent := func() error {
		conn.SetDeadline(time.Now().Add(150 * time.Millisecond))
		conn.Write([]byte("x"))
		_, err := io.ReadFull(conn, make([]byte, 1))
		return err
	}
	require.NoError(t, silent())

	arrived := func(from, to string) int64 { return w.net.lines[course{from, to}].carried().Packets }
	for name, cut := range map[string][]string{"both": {"paris", "tokyo"}, "paris": {"paris"}, "tokyo": {"tokyo"}} {
		w.order(linkOrder{A: "paris", B: "tokyo", Cut: cut})
		there, back := arrived("paris", "tokyo"), arrived("tokyo", "paris")
		require.ErrorIs(t, silent(), os.ErrDeadlineExceeded, name)
		_, err = w.dial("tokyo", "paris", 150*time.Millisecond)
		require.ErrorContains(t, err, "timeout", name)
		require.Equal(t, !slices.Contains(cut, "paris"), arrived("paris", "tokyo") > there, name)
		require.Equal(t, !slices.Contains(cut, "tokyo"), arrived("tokyo", "paris") > back, name)

		w.trip("", "paris") // this program does not notice
		w.trip("", "tokyo")
		w.trip("paris", "lima") // and there is no way round
		w.trip("lima", "tokyo")
		require.True(t, w.net.reaches("paris", "tokyo"), "except for gossip")
		w.order(linkOrder{A: "tokyo", B: "lima", Cut: []string{"lima"}})
		require.False(t, w.net.reaches("paris", "tokyo"))
		require.True(t, w.net.reaches("paris", "lima"))

		w.order(linkOrder{A: "tokyo", B: "lima", Heal: true})
		w.order(linkOrder{A: "paris", B: "tokyo", Heal: true})
		conn.SetDeadline(time.Now().Add(10 * time.Second)) // TCP sends again by itself
		_, err = io.ReadFull(conn, make([]byte, 1))
		require.NoError(t, err, "the connection goes on after %s", name)
	}
}

// zeros is an endless stream of octets.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// pour sends octets over a new connection, and returns how long it took until
// the other end had acknowledged all of them.
func (w *wan) pour(from, to string, octets int64) time.Duration {
	var l net.Listener
	c := w.centre(to)
	require.NoError(w.t, c.thread.do(func() (err error) {
		l, err = net.Listen("tcp4", c.addresses[0]+":0")
		return err
	}))
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			io.CopyN(io.Discard, conn, octets)
			conn.Close()
		}
	}()
	var conn net.Conn
	require.NoError(w.t, w.centre(from).thread.do(func() (err error) {
		conn, err = net.DialTimeout("tcp4", l.Addr().String(), 5*time.Second)
		return err
	}))
	defer conn.Close()
	began := time.Now()
	conn.SetDeadline(began.Add(time.Minute))
	_, err := io.CopyN(conn, zeros{}, octets)
	require.NoError(w.t, err)
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(w.t, err, io.EOF)
	return time.Since(began)
}

func TestWANCarriesMuchOverALongWay(t *testing.T) {
	w := openWAN(t, DC{"paris", 1}, DC{"tokyo", 1})
	delay := 25 * time.Millisecond
	w.order(linkOrder{A: "paris", B: "tokyo", Delay: &delay})
	const octets = 64 << 20
	best := 0.0
	for range 3 { // the machine is shared
		took := w.pour("paris", "tokyo", octets)
		rate := octets / 1e6 / took.Seconds()
		t.Logf("%.0f MB/s at %s each way", rate, delay)
		if best = max(best, rate); best >= 20 {
			break
		}
	}
	require.GreaterOrEqual(t, best, 20.0)

	rate := int64(5_000_000)
	w.order(linkOrder{A: "paris", B: "tokyo", Rate: &rate})
	took := w.pour("paris", "tokyo", 5_000_000)
	t.Logf("%.1f MB/s at a rate of 5 MB/s", 5/took.Seconds())
	require.Greater(t, took, time.Second)
}

func TestWANLosesPackets(t *testing.T) {
	w := openWAN(t, DC{"paris", 1}, DC{"tokyo", 1})
	loss := 0.1
	w.order(linkOrder{A: "paris", B: "tokyo", Loss: &loss, Seed: 7})
	var there net.PacketConn
	tokyo := w.centre("tokyo")
	require.NoError(t, tokyo.thread.do(func() (err error) {
		there, err = net.ListenPacket("udp4", tokyo.addresses[0]+":0")
		return err
	}))
	defer there.Close()
	var conn net.Conn
	require.NoError(t, w.centre("paris").thread.do(func() (err error) {
		conn, err = net.Dial("udp4", there.LocalAddr().String())
		return err
	}))
	defer conn.Close()
	const packets = 1000
	l := w.net.lines[course{"paris", "tokyo"}]
	before, received := l.carried(), 0
	for i := range packets {
		_, err := conn.Write([]byte{byte(i), byte(i >> 8)})
		require.NoError(t, err)
		// Nothing is under way when the next is sent.
		fate := l.carried()
		for deadline := time.Now().Add(5 * time.Second); fate == before && time.Now().Before(deadline); fate = l.carried() {
			runtime.Gosched()
		}
		if fate.Lost == before.Lost {
			datagram := make([]byte, 16)
			there.SetDeadline(time.Now().Add(5 * time.Second))
			size, _, err := there.ReadFrom(datagram)
			require.NoError(t, err)
			require.Equal(t, []byte{byte(i), byte(i >> 8)}, datagram[:size])
			received++
		}
		before = fate
	}
	t.Logf("%d of %d packets arrived at a loss of %v", received, packets, loss)
	require.InDelta(t, packets*(1-loss), received, 40)
}

func TestWANLeavesNothing(t *testing.T) {
	w := openWAN(t, DC{"paris", 1}, DC{"tokyo", 1})
	for _, c := range w.net.centres {
		_, err := net.InterfaceByName(c.device)
		require.NoError(t, err)
	}
	w.close()
	for _, c := range w.net.centres {
		_, err := net.InterfaceByName(c.device)
		require.Error(t, err, "%s is gone", c.device)
		_, err = net.DialTimeout("tcp4", c.addresses[0]+":9042", 5*time.Second)
		require.ErrorIs(t, err, syscall.ECONNREFUSED, "what still dials does not get out")
	}
}

func init() { child.Main("WAN victim", wanVictim) } // beside TestMain, which is not for Linux alone

// wanVictim is the job of a process that has a WAN and is killed.
func wanVictim(locks string) error {
	w, err := newWAN(locks, DC{"paris", 1}, DC{"tokyo", 1})
	if err != nil {
		return err
	}
	if _, err := w.tryTrip("paris", "tokyo"); err != nil {
		return err
	}
	for _, name := range []string{w.net.centres[0].device, w.net.centres[1].device, w.guard.device} {
		fmt.Println("device", name)
	}
	select {} // until the kill
}

func TestKernelClearsUpAfterAKilledKeeper(t *testing.T) {
	openWAN(t, DC{"paris", 1}) // skips
	victim := child.ForTest(t.Context(), t, "WAN victim", lockDir(t))
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	t.Cleanup(func() { victim.Process.Kill() })
	var devices []string
	for lines := bufio.NewScanner(out); len(devices) < 3 && lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "device "); ok {
			_, err := net.InterfaceByName(name)
			require.NoError(t, err)
			devices = append(devices, name)
		}
	}
	require.Len(t, devices, 3)
	require.NoError(t, victim.Process.Kill())
	victim.Wait()
	for _, name := range devices {
		require.Eventually(t, func() bool {
			_, err := net.InterfaceByName(name)
			return err != nil
		}, 30*time.Second, 20*time.Millisecond, name)
	}
}

func TestSubnetsInUseArePassedOver(t *testing.T) {
	w := openWAN(t, DC{"paris", 1}, DC{"tokyo", 1})
	for _, s := range w.subnets {
		// Not even without the lock.
		_, err := claimSubnet(t.TempDir(), s)
		require.ErrorContains(t, err, "the machine has the address")
	}
}
