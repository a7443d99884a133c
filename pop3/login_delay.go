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

// allows reports whether the last login of a user is as long ago as the delay.
func (p *pace) allows(user string, delay time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.last[canonicalOr(user)]
	return !known || time.Since(at) >= delay
}

// note notes a login.
func (p *pace) note(user string, delay time.Duration) {
	user = canonicalOr(user)
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
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
}

// canonicalOr is the canonical form of a name, or the name if it has none: a
// store may have names of its own.
func canonicalOr(user string) string {
	if canonical, err := mailbox.CanonicalUser(user); err == nil {
		return canonical
	}
	return user
}

// errTooSoon answers a login that comes too soon after the last one (RFC 2449
// section 8.1.1).
var errTooSoon = &Error{Code: CodeLoginDelay, Text: "too soon after the last login"}

// paced returns an error if a user that has just logged in did so too soon.
func (c *Conn) paced(user string) error {
	delay := c.server.LoginDelay
	if delay <= 0 || c.server.pace.allows(user, delay) {
		return nil
	}
	return errTooSoon
}
