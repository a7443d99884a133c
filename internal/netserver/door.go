package netserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/popcask/popcask/internal/parallel"
)

// Limits are how many connections may be open at once. Negative means that there
// is no limit.
type Limits struct {
	Connections int // in all
	Waiting     int // of them: those that wait
	PerAddress  int // from one [Origin]
}

// Why a [Door] lets a connection not in.
var (
	ErrClosed           = errors.New("netserver: closed")
	ErrTooMany          = errors.New("netserver: too many connections")
	ErrTooManyOfAddress = errors.New("netserver: too many connections from one address")
)

// Door decides which connections may be open at once. It never lets those that
// wait keep out the others: if one too many comes, it takes the place of the one
// that has waited longest, of the address that has the most of them.
//
// A connection waits from its arrival until it is of use: until its login, say.
// Guest is how the server knows a connection. The zero Door has limits of 0.
type Door[Guest comparable] struct {
	Limits Limits // must not change while the door is in use

	inside sync.WaitGroup // one for each that entered and has not left

	mu      sync.Mutex
	closed  bool
	guests  map[Guest]place[Guest] // without the displaced
	waiting int
	number  uint64 // of the newest
	origins map[netip.Prefix]*origin[Guest]
}

// place is what the door knows of a guest.
type place[Guest comparable] struct {
	origin *origin[Guest]
	number uint64 // grows with the time at which the guest began to wait
}

// origin is where connections come from: an IPv4 address, or an IPv6 network.
type origin[Guest comparable] struct {
	from    netip.Prefix
	guests  int
	waiting []Guest // those that wait, the longest first
}

// Enter lets a connection in, or says why not. If another has to make room for
// it, the caller ends that one, which was as good as gone.
func (d *Door[Guest]) Enter(guest Guest, from netip.Prefix) (displaced Guest, isDisplaced bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if displaced, isDisplaced, err = d.enter(guest, from); err == nil {
		d.inside.Add(1)
	}
	return displaced, isDisplaced, err
}

// Moves notes that a connection that waits comes from somewhere else, as if it
// came only now. If the error is not nil, it is out, as one that was displaced.
func (d *Door[Guest]) Moves(guest Guest, from netip.Prefix) (displaced Guest, isDisplaced bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, in := d.guests[guest]; !in {
		return displaced, false, ErrTooMany
	}
	d.remove(guest)
	return d.enter(guest, from)
}

func (d *Door[Guest]) enter(guest Guest, from netip.Prefix) (displaced Guest, isDisplaced bool, err error) {
	if d.closed {
		return displaced, false, ErrClosed
	}
	own := d.origins[from]
	switch {
	case own != nil && from.IsValid() && Reached(own.guests, d.Limits.PerAddress):
		if len(own.waiting) == 0 {
			return displaced, false, ErrTooManyOfAddress
		}
		displaced, isDisplaced = own.waiting[0], true
	case Reached(len(d.guests), d.Limits.Connections), Reached(d.waiting, d.Limits.Waiting):
		most := d.mostWaiting(own)
		if most == nil {
			return displaced, false, ErrTooMany
		}
		displaced, isDisplaced = most.waiting[0], true
	}
	if isDisplaced {
		d.remove(displaced)
	}
	d.add(guest, from)
	return displaced, isDisplaced, nil
}

func (d *Door[Guest]) add(guest Guest, from netip.Prefix) {
	if d.guests == nil {
		d.guests = make(map[Guest]place[Guest])
		d.origins = make(map[netip.Prefix]*origin[Guest])
	}
	own := d.origins[from]
	if own == nil {
		own = &origin[Guest]{from: from}
		d.origins[from] = own
	}
	own.guests++
	d.wait(guest, own)
}

// mostWaiting returns the origin that has the most that wait, and among equals
// the one of which one waits longest. It is nil if nobody waits. The newcomer
// counts for its own origin, which comes first among equals: or else an address
// that floods the server would displace those of all that have as many.
func (d *Door[Guest]) mostWaiting(own *origin[Guest]) *origin[Guest] {
	var most *origin[Guest]
	for _, o := range d.origins {
		if len(o.waiting) == 0 {
			continue
		}
		if most == nil || len(o.waiting) > len(most.waiting) ||
			len(o.waiting) == len(most.waiting) && d.guests[o.waiting[0]].number < d.guests[most.waiting[0]].number {
			most = o
		}
	}
	if own != nil && len(own.waiting) > 0 && len(own.waiting)+1 >= len(most.waiting) {
		return own
	}
	return most
}

// Stays notes that a connection is of use: it does not wait any more.
func (d *Door[Guest]) Stays(guest Guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, in := d.guests[guest]; in {
		d.stopWaiting(guest)
	}
}

// Waits notes that a connection that Stays was called for waits again, from now
// on.
func (d *Door[Guest]) Waits(guest Guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, in := d.guests[guest]; in {
		d.stopWaiting(guest)
		d.wait(guest, d.guests[guest].origin)
	}
}

func (d *Door[Guest]) wait(guest Guest, own *origin[Guest]) {
	d.number++
	d.guests[guest] = place[Guest]{own, d.number}
	own.waiting = append(own.waiting, guest)
	d.waiting++
}

func (d *Door[Guest]) stopWaiting(guest Guest) {
	own := d.guests[guest].origin
	for i, other := range own.waiting {
		if other == guest {
			own.waiting = append(own.waiting[:i], own.waiting[i+1:]...)
			d.waiting--
			return
		}
	}
}

// remove forgets a connection, which may have left or been displaced before.
func (d *Door[Guest]) remove(guest Guest) {
	place, in := d.guests[guest]
	if !in {
		return
	}
	d.stopWaiting(guest)
	delete(d.guests, guest)
	if place.origin.guests--; place.origin.guests == 0 {
		delete(d.origins, place.origin.from)
	}
}

// Leave ends what Enter began.
func (d *Door[Guest]) Leave(guest Guest) {
	d.mu.Lock()
	d.remove(guest)
	d.mu.Unlock()
	d.inside.Done()
}

// Close lets nobody in any more, and returns those that are inside.
func (d *Door[Guest]) Close() []Guest {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	guests := make([]Guest, 0, len(d.guests))
	for guest := range d.guests {
		guests = append(guests, guest)
	}
	return guests
}

// Wait waits until all have left, the displaced too, or until the context ends.
func (d *Door[Guest]) Wait(ctx context.Context) error { return parallel.Wait(ctx, &d.inside) }

// Count returns how many connections are open, and how many of them wait.
func (d *Door[Guest]) Count() (open, waiting int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.guests), d.waiting
}

// Origin returns where a connection comes from: its IPv4 address, or the network
// of 64 bits of its IPv6 address, which is what one customer has. It is the zero
// prefix if there is no IP address.
func Origin(addr net.Addr) netip.Prefix {
	var ip netip.Addr
	if tcp, ok := addr.(*net.TCPAddr); ok {
		ip = tcp.AddrPort().Addr()
	} else if addr != nil {
		port, err := netip.ParseAddrPort(addr.String())
		if err != nil {
			return netip.Prefix{}
		}
		ip = port.Addr()
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
