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

// begin reports whether the last login of a user is as long ago as the delay, and
// then notes one, so that of many at the same moment one is let in. undo takes it
// back, if it fails.
func (p *pace) begin(user string, delay time.Duration) (undo func(), ok bool) {
	user = canonicalOr(user)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	before, known := p.last[user]
	if known && now.Sub(before) < delay {
		return nil, false
	}
	p.noteLocked(user, now, delay)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.last[user].Equal(now) {
			return
		}
		delete(p.last, user)
		if known {
			p.last[user] = before
		}
	}, true
}

// note notes a login.
func (p *pace) note(user string, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteLocked(canonicalOr(user), time.Now(), delay)
}

func (p *pace) noteLocked(user string, now time.Time, delay time.Duration) {
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
func (c *Conn) paced(user string) (err error) {
	delay := c.server.LoginDelay
	if delay <= 0 {
		return nil
	}
	undo, ok := c.server.pace.begin(user, delay)
	if !ok {
		return errTooSoon
	}
	c.unpace = undo
	return nil
}
