package pop3

import (
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// pace remembers when users have logged in last, for Server.LoginDelay.
type pace struct {
	mu    sync.Mutex
	last  map[string]time.Time // by canonical name
	sweep int                  // when there are so many, those that are over are forgotten
}

// try notes a login, and reports whether it may be: whether the last one is as
// long ago as the delay.
func (p *pace) try(user string, delay time.Duration) bool {
	if canonical, err := mailbox.CanonicalUser(user); err == nil {
		user = canonical
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, known := p.last[user]; known && now.Sub(at) < delay {
		return false
	}
	if len(p.last) >= p.sweep {
		for other, at := range p.last {
			if now.Sub(at) >= delay {
				delete(p.last, other)
			}
		}
		p.sweep = max(1024, 2*len(p.last))
	}
	if p.last == nil {
		p.last = make(map[string]time.Time)
	}
	p.last[user] = now
	return true
}

// errTooSoon answers a login that comes too soon after the last one (RFC 2449
// section 8.1.1).
var errTooSoon = &Error{Code: CodeLoginDelay, Text: "too soon after the last login"}

// paced returns an error if a user that has just logged in did so too soon.
func (c *Conn) paced(user string) error {
	delay := c.server.LoginDelay
	if delay <= 0 || c.server.pace.try(user, delay) {
		return nil
	}
	return errTooSoon
}
