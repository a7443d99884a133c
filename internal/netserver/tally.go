package netserver

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

// sparsely is how long a [Tally] is silent after it has logged a line.
const sparsely = 10 * time.Second

// Tally counts something that a flood makes happen often, and logs only some of
// it: the first at once, and then a line each ten seconds at most.
type Tally struct {
	mu      sync.Mutex
	total   uint64
	omitted uint64    // since the last line
	logged  time.Time // the last line
}

// Count returns how often it happened.
func (t *Tally) Count() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}

// Add counts one, and reports whether to log it, with those that were omitted.
func (t *Tally) Add() (omitted uint64, log bool) {
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

// Log counts one, and logs it unless a line was logged a moment ago.
func (t *Tally) Log(ctx context.Context, log *slog.Logger, message string, remote net.Addr, err error) {
	if omitted, now := t.Add(); now {
		log.LogAttrs(ctx, slog.LevelWarn, message, slog.String("remote", Text(remote)),
			slog.Any("error", err), slog.Uint64("more", omitted))
	}
}

// Text is an address as a string, "-" if there is none: the client of a Unix
// socket has no name.
func Text(addr net.Addr) string {
	if addr != nil {
		if text := addr.String(); text != "" && text != "@" {
			return text
		}
	}
	return "-"
}
