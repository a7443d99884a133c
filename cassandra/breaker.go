package cassandra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// errBreakerOpen is the answer to a miss while another data centre is known to be
// out of reach.
var errBreakerOpen = fmt.Errorf("%w: not in this data centre, and another one does not answer", mailbox.ErrTemporary)

// breaker answers misses at once while another data centre is out of reach, so
// that 100 of them do not take 100 time-outs. It tries again after 5 seconds,
// and then twice as long each time, up to a minute.
type breaker struct {
	now func() time.Time

	mu    sync.Mutex
	pause time.Duration // 0: closed
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

// note notes how a read of every data centre went. That something was not found
// is an answer too.
func (b *breaker) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil, errors.Is(err, errMissing), errors.Is(err, errForeign):
		b.pause = 0
	case errors.Is(err, context.Canceled):
	case b.pause > 0 && b.now().Before(b.until): // somebody else noted it
	default:
		b.pause = min(max(2*b.pause, firstPause), longestPause)
		b.until = b.now().Add(b.pause)
	}
}
