package pop3

import (
	"strconv"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// expire is the EXPIRE capability (RFC 2449 section 6.7), "" if the server does
// not know how long messages stay.
func (c *Conn) expire() string {
	if c.server.DeleteRetrieved {
		return "EXPIRE 0"
	}
	session, ok := c.session.(ExpiringSession)
	if !ok {
		return ""
	}
	retention, known := session.Retention()
	switch {
	case !known:
		return ""
	case retention <= 0:
		return "EXPIRE NEVER"
	}
	return "EXPIRE " + strconv.Itoa(int(retention/(24*time.Hour)))
}

// Retention implements [ExpiringSession]: it is what the store says.
func (s *loginSession) Retention() (retention time.Duration, known bool) {
	if store, ok := s.store.(mailbox.Expirer); ok {
		return store.Retention(), true
	}
	return 0, false
}

// markRetrieved marks the messages that RETR has sent, if the client may not
// leave them on the server.
func (c *Conn) markRetrieved() {
	for _, i := range c.retrieved {
		if !c.maildrop.isMarked(i) {
			c.maildrop.mark(i)
		}
	}
	c.retrieved = nil
}
