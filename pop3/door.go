package pop3

import (
	"math"
	"net"
	"net/netip"
	"sync"
)

// door decides which connections may be open at once. It never lets those that
// have not logged in keep out the others: if one too many comes, it takes the
// place of the oldest of the address that has the most of them.
type door struct {
	limit limits

	inside sync.WaitGroup // one for each that entered and has not left

	mu      sync.Mutex
	closed  bool
	conns   map[*Conn]struct{} // without the displaced
	waiting int                // of them: before the login
	number  uint64             // of the newest
	origins map[netip.Prefix]*origin
}

// origin is where connections come from: an IPv4 address, or an IPv6 network.
type origin struct {
	conns   int
	waiting []*Conn // before the login, oldest first
}

var (
	errTooManyConnections = &Error{Code: CodeTemporary, Text: "too many connections, try again later"}
	errTooManyFromAddress = &Error{Code: CodeTemporary, Text: "too many connections from your address, try again later"}
	errDisplaced          = &Error{Code: CodeTemporary, Text: "too many connections before the login, this one made room"}
)

// enter lets a connection in, or says why not. The caller ends the connection
// that it displaces, if there is one.
func (d *door) enter(c *Conn) (displaced *Conn, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, ErrServerClosed
	}
	from := d.origins[c.origin]
	switch {
	case from != nil && c.origin.IsValid() && reached(from.conns, d.limit.perAddress):
		if len(from.waiting) == 0 {
			return nil, errTooManyFromAddress
		}
		displaced = from.waiting[0]
	case reached(len(d.conns), d.limit.connections), reached(d.waiting, d.limit.beforeLogin):
		if displaced = d.longestWaiting(from); displaced == nil {
			return nil, errTooManyConnections
		}
	}
	if displaced != nil {
		d.remove(displaced)
	}
	d.add(c)
	d.inside.Add(1)
	return displaced, nil
}

func (d *door) add(c *Conn) {
	if d.conns == nil {
		d.conns = make(map[*Conn]struct{})
		d.origins = make(map[netip.Prefix]*origin)
	}
	from := d.origins[c.origin]
	if from == nil {
		from = new(origin)
		d.origins[c.origin] = from
	}
	d.number++
	c.number = d.number
	from.conns++
	from.waiting = append(from.waiting, c)
	d.conns[c] = struct{}{}
	d.waiting++
}

// longestWaiting returns the oldest connection before its login, of the origin
// that has the most of them. It is nil if all have logged in. The newcomer counts
// for its own origin, from, which comes first among equals: or else an address
// that floods the server would displace those of all that have as many.
func (d *door) longestWaiting(from *origin) *Conn {
	var most *origin
	for _, o := range d.origins {
		if len(o.waiting) == 0 {
			continue
		}
		if most == nil || len(o.waiting) > len(most.waiting) ||
			len(o.waiting) == len(most.waiting) && o.waiting[0].number < most.waiting[0].number {
			most = o
		}
	}
	switch {
	case most == nil:
		return nil
	case from != nil && len(from.waiting) > 0 && len(from.waiting)+1 >= len(most.waiting):
		most = from
	}
	return most.waiting[0]
}

// stays notes that a connection has logged in, or that the host has taken it
// over.
func (d *door) stays(c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, in := d.conns[c]; in {
		d.stopWaiting(c)
	}
}

func (d *door) stopWaiting(c *Conn) {
	from := d.origins[c.origin]
	for i, other := range from.waiting {
		if other == c {
			from.waiting = append(from.waiting[:i], from.waiting[i+1:]...)
			d.waiting--
			return
		}
	}
}

// remove forgets a connection, which may have left or been displaced before.
func (d *door) remove(c *Conn) {
	if _, in := d.conns[c]; !in {
		return
	}
	d.stopWaiting(c)
	delete(d.conns, c)
	from := d.origins[c.origin]
	if from.conns--; from.conns == 0 {
		delete(d.origins, c.origin)
	}
}

// leave ends what enter began.
func (d *door) leave(c *Conn) {
	d.mu.Lock()
	d.remove(c)
	d.mu.Unlock()
	d.inside.Done()
}

// close lets nobody in any more, and returns those that are inside.
func (d *door) close() []*Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	conns := make([]*Conn, 0, len(d.conns))
	for c := range d.conns {
		conns = append(conns, c)
	}
	return conns
}

func (d *door) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// count returns how many connections are open, and how many of them have not
// logged in.
func (d *door) count() (open, waiting int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns), d.waiting
}

// crowd bounds how many connections have been accepted and have not ended: those
// that are open, and as many that are about to be turned away, or were displaced.
// While credentials are checked on all processors, it may take long until those
// run, and a flood must not take all files of the process meanwhile. It is nil if
// there is no bound.
type crowd chan struct{}

func newCrowd(connections int) crowd {
	if connections < 0 || connections > math.MaxInt/2 {
		return nil
	}
	return make(crowd, 2*connections)
}

// enter waits until there is room for one more.
func (c crowd) enter() {
	if c != nil {
		c <- struct{}{}
	}
}

func (c crowd) leave() {
	if c != nil {
		<-c
	}
}

// originOf returns where a connection comes from: its IPv4 address, or the
// network of 64 bits of its IPv6 address, which is what one customer has. It is
// the zero prefix if there is no IP address.
func originOf(addr net.Addr) netip.Prefix {
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
