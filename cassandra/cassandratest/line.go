package cassandratest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A line drops the packets that it has no room for, as a router does.
const (
	// maxBacklog is how long a packet waits at most for those before it, on a
	// line with a rate.
	maxBacklog = 100 * time.Millisecond

	// maxHeld bounds the octets on their way: 320 MB/s at a delay of 100 ms.
	maxHeld = 32 << 20
)

// line carries IPv4 packets in one direction, in order: each leaves after those
// before it, at the line's rate, and arrives after the delay.
type line struct {
	out func([]byte)

	mu      sync.Mutex
	delay   time.Duration
	rate    int64 // octets a second; 0: no limit
	loss    float64
	dice    *rand.Rand
	cut     bool
	free    time.Time // when the last packet has left
	queue   []packet
	held    int // octets in the queue
	traffic Traffic
	changed chan struct{} // wakes carry up
}

type packet struct {
	octets []byte
	left   time.Time
}

// Traffic is what was sent over a [Link] in one direction.
type Traffic struct {
	Packets, Octets int64 // that arrived
	Lost            int64 // packets that did not
}

func newLine(out func([]byte)) *line {
	return &line{out: out, changed: make(chan struct{}, 1)}
}

// enter sends a packet; the caller may reuse its octets.
func (l *line) enter(octets []byte) {
	if len(octets) == 0 || octets[0]>>4 != 4 {
		return // IPv6 packets of the kernel itself
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	left := now
	if l.rate > 0 {
		if l.free.After(left) {
			left = l.free
		}
	}
	if l.cut || l.loss > 0 && l.dice.Float64() < l.loss || left.Sub(now) > maxBacklog || l.held+len(octets) > maxHeld {
		l.traffic.Lost++
		return
	}
	if l.rate > 0 {
		left = left.Add(time.Duration(float64(len(octets)) / float64(l.rate) * float64(time.Second)))
		l.free = left
	}
	l.queue = append(l.queue, packet{bytes.Clone(octets), left})
	l.held += len(octets)
	if len(l.queue) == 1 {
		l.wake()
	}
}

func (l *line) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// carry delivers packets until the context ends.
func (l *line) carry(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var due <-chan time.Time
		if wait, waiting := l.deliver(); waiting {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-due:
		case <-l.changed:
		case <-ctx.Done():
			return
		}
	}
}

// deliver hands out the packets that are due, and returns how long the next one
// has to wait. It holds the lock meanwhile, so that nothing arrives after cut
// has returned.
func (l *line) deliver() (wait time.Duration, waiting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 {
		p := l.queue[0]
		if wait := time.Until(p.left.Add(l.delay)); wait > 0 {
			return wait, true
		}
		l.queue[0] = packet{}
		l.queue = l.queue[1:]
		l.held -= len(p.octets)
		l.traffic.Packets++
		l.traffic.Octets += int64(len(p.octets))
		l.out(p.octets)
	}
	return 0, false
}

// setDelay also holds for the packets on their way.
func (l *line) setDelay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
	l.wake()
}

// setRate holds for the packets that enter from now on.
func (l *line) setRate(octets int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate, l.free = octets, time.Time{}
}

func (l *line) setLoss(fraction float64, seed uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loss, l.dice = fraction, rand.New(rand.NewPCG(seed, 0))
}

// setCut cuts the line or heals it. Packets on their way at a cut are lost.
func (l *line) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut = cut; cut {
		l.traffic.Lost += int64(len(l.queue))
		l.queue, l.held, l.free = nil, 0, time.Time{}
	}
}

func (l *line) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

func (l *line) carried() Traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.traffic
}
