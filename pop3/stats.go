package pop3

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Stats are counts of a server, since it began to serve.
type Stats struct {
	Open        int // connections that are open
	BeforeLogin int // of them: before the login

	TurnedAway       uint64 // connections that were turned away, or displaced before their login
	FailedHandshakes uint64 // TLS
	FailedLogins     uint64 // for wrong credentials
	BrakedLogins     uint64 // refused by the brake, without a check
}

// Stats returns the counts of the server. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	open, waiting := s.door.count()
	return Stats{
		Open: open, BeforeLogin: waiting,
		TurnedAway:       s.turnedAway.count(),
		FailedHandshakes: s.failedHandshakes.count(),
		FailedLogins:     s.failedLogins.count(),
		BrakedLogins:     s.unchecked.count(),
	}
}

// sparsely is how long a tally is silent after it has logged a line.
const sparsely = 10 * time.Second

// tally counts something that a flood makes happen often, and logs only some of
// it: the first at once, and then a line each ten seconds at most.
type tally struct {
	mu      sync.Mutex
	total   uint64
	omitted uint64    // since the last line
	logged  time.Time // the last line
}

func (t *tally) count() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}

// add counts one, and reports whether to log it, with those that were omitted.
func (t *tally) add() (omitted uint64, log bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total++
	if !t.logged.IsZero() && time.Since(t.logged) < sparsely {
		t.omitted++
		return 0, false
	}
	omitted, t.omitted, t.logged = t.omitted, 0, time.Now()
	return omitted, true
}

// log counts one, and logs it unless a line was logged a moment ago.
func (t *tally) log(ctx context.Context, log *slog.Logger, message string, remote net.Addr, err error) {
	if omitted, now := t.add(); now {
		log.LogAttrs(ctx, slog.LevelWarn, message, slog.String("remote", text(remote)),
			slog.Any("error", err), slog.Uint64("more", omitted))
	}
}

// text is an address as a string, "-" if there is none.
func text(addr net.Addr) string {
	if addr == nil {
		return "-"
	}
	return addr.String()
}
