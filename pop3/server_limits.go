package pop3

import (
	"cmp"
	"time"
)

// limits are the limits and time-outs of a Server with the defaults filled in.
// Negative still means none.
type limits struct {
	auth, idle, write, store                             time.Duration
	line, sasl, bad, badBeforeLogin, authTries, messages int
	connections                                          int
}

func (s *Server) limits() limits {
	l := limits{
		auth:        cmp.Or(s.AuthTimeout, 3*time.Minute),
		idle:        cmp.Or(s.IdleTimeout, 10*time.Minute),
		write:       cmp.Or(s.WriteTimeout, 5*time.Minute),
		store:       cmp.Or(s.StoreTimeout, 2*time.Minute),
		line:        cmp.Or(s.MaxLine, 2048),
		sasl:        cmp.Or(s.MaxSASL, 64<<10),
		bad:         cmp.Or(s.MaxBadCommands, 20),
		authTries:   cmp.Or(s.MaxAuthTries, 5),
		messages:    cmp.Or(s.MaxMessages, 1_000_000),
		connections: cmp.Or(s.MaxConnections, 10_000),
	}
	l.badBeforeLogin = l.bad
	if l.bad > 0 {
		l.badBeforeLogin = min(l.bad, 5)
	}
	return l
}

// exceeds reports whether n is over a limit, of which a negative one is none.
func exceeds(n, limit int) bool { return limit >= 0 && n > limit }

// reached reports whether n has come to a limit, of which a negative one is
// none.
func reached(n, limit int) bool { return limit >= 0 && n >= limit }
