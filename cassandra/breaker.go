package cassandra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// errBreakerOpen is the error of a miss while the breaker is open.
var errBreakerOpen = fmt.Errorf("%w: not in this data centre, and another one does not answer", mailbox.ErrTemporary)

// breaker is open while another data centre is out of reach: misses are then
// answered at once, so that 100 of them do not take 100 time-outs. It is open
// for 5 seconds, and each time that the next try fails for twice as long, up to
// a minute.
type breaker struct {
	now func() time.Time

	mu    sync.Mutex
	pause time.Duration // how long it is open; 0: the last read succeeded
	until time.Time
}

const (
	firstPause   = 5 * time.Second
	longestPause = time.Minute
)

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pause > 0 && b.now().Before(b.until)
}

// note records how a read of every data centre ended. That a message was not
// found is an answer too.
func (b *breaker) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil, errors.Is(err, errMissing), errors.Is(err, errForeign):
		b.pause = 0
	case errors.Is(err, context.Canceled):
	case b.pause > 0 && b.now().Before(b.until): // another read has opened it
	default:
		b.pause = min(max(2*b.pause, firstPause), longestPause)
		b.until = b.now().Add(b.pause)
	}
}
