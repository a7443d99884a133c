package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/cql"
	"github.com/popcask/popcask/mailbox"
)

// openMessage climbs the miss ladder (P2). First comes a quorum of the local
// data centre, which is one read and almost always the end of it. What is not
// there may be on its way from another data centre, so then every data centre is
// asked: each acknowledged delivery has a quorum in one of them. Only that
// answer can say that a message is gone. A session never writes because of a
// miss: it hands the mailbox to the repair behind the sessions.
func (s *Store) openMessage(ctx context.Context, m *maildrop, id MessageID, options mailbox.OpenOptions) (io.ReadCloser, error) {
	st := selectContent
	if options.Top {
		st = selectTop
	}
	body, err := s.openContent(ctx, cql.LocalQuorum, m.id, id, st)
	switch {
	case err == nil:
		body.user = m.user
		return body, nil
	case errors.Is(err, errForeign):
		return nil, fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	case !errors.Is(err, errMissing):
		return nil, temporary(err)
	}
	if s.breaker.isOpen() {
		return nil, errBreakerOpen
	}
	body, err = s.openContent(ctx, cql.EachQuorum, m.id, id, st)
	s.breaker.note(err)
	switch {
	case err == nil:
		s.repairs.want(m.user)
		return body, nil
	case errors.Is(err, errForeign):
		return nil, fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	case !errors.Is(err, errMissing):
		return nil, temporary(err)
	}
	found, err := s.member(ctx, cql.EachQuorum, m.id, id)
	s.breaker.note(err)
	switch {
	case err != nil:
		return nil, temporary(err)
	case found == memberLive:
		s.repairs.want(m.user)
		return nil, fmt.Errorf("%w: the mailbox has the message, no data centre its content", mailbox.ErrTemporary)
	}
	return nil, fmt.Errorf("%w: removed", mailbox.ErrNotFound)
}

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
