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
	// Less than a day is 0: who leaves mail loses it.
	return "EXPIRE " + strconv.Itoa(int(retention/(24*time.Hour)))
}

// Retention implements [ExpiringSession]: it is what the store says.
func (s *loginSession) Retention() (retention time.Duration, known bool) {
	if store, ok := s.store.(mailbox.Expirer); ok {
		return store.Retention(), true
	}
	return 0, false
}

// note notes that RETR has sent a message, which the client may not leave on the
// server.
func (d *maildrop) note(i int) {
	if d.retrieved == nil {
		d.retrieved = make([]bool, d.len())
	}
	d.retrieved[i] = true
}

// markRetrieved marks the messages that were noted.
func (d *maildrop) markRetrieved() {
	for i, is := range d.retrieved {
		if is && !d.isMarked(i) {
			d.mark(i)
		}
	}
	d.retrieved = nil
}
