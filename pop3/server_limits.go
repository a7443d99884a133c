package pop3

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"

	"github.com/popcask/popcask/internal/netserver"
)

// limits are the limits and time-outs of a Server with the defaults filled in.
// Negative still means none.
type limits struct {
	auth, handshake, idle, write, store     time.Duration
	line, sasl, longLines                   int
	bad, badBeforeLogin, refused, authTries int
	messages                                int
	door                                    netserver.Limits
}

func (s *Server) limits() limits {
	l := limits{
		auth:      cmp.Or(s.AuthTimeout, 3*time.Minute),
		handshake: cmp.Or(s.HandshakeTimeout, 30*time.Second),
		idle:      cmp.Or(s.IdleTimeout, 10*time.Minute),
		write:     cmp.Or(s.WriteTimeout, 5*time.Minute),
		store:     cmp.Or(s.StoreTimeout, 2*time.Minute),
		line:      cmp.Or(s.MaxLine, 2048),
		sasl:      cmp.Or(s.MaxSASL, 64<<10),
		longLines: cmp.Or(s.MaxLongLines, 16<<20),
		bad:       cmp.Or(s.MaxBadCommands, 20),
		refused:   cmp.Or(s.MaxRefused, 1000),
		authTries: cmp.Or(s.MaxAuthTries, 5),
		messages:  cmp.Or(s.MaxMessages, 1_000_000),
	}
	l.badBeforeLogin = l.bad
	if l.bad >= 0 {
		l.badBeforeLogin = min(l.bad, 5)
	}
	l.door.Connections = cmp.Or(s.MaxConnections, netserver.DefaultConnections())
	l.door.Waiting = cmp.Or(s.MaxBeforeLogin, netserver.DefaultWaiting(l.door.Connections))
	l.door.PerAddress = cmp.Or(s.MaxPerAddress, netserver.DefaultPerAddress(l.door.Waiting))
	return l
}

// exceeds reports whether n is over a limit, of which a negative one is none.
func exceeds(n, limit int) bool { return limit >= 0 && n > limit }

// budget is a number of octets of memory that connections share.
type budget struct {
	left atomic.Int64
}

// set sets the budget. A negative one is unlimited.
func (b *budget) set(octets int) {
	if octets < 0 {
		octets = math.MaxInt
	}
	b.left.Store(int64(octets))
}

// take takes n octets, and reports whether there were so many left.
func (b *budget) take(n int) bool {
	if b.left.Add(-int64(n)) >= 0 {
		return true
	}
	b.give(n)
	return false
}

func (b *budget) give(n int) { b.left.Add(int64(n)) }
