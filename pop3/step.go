package pop3

import (
	"context"
	"time"
)

// step is a stretch of a host's work: its context ends when the work takes
// longer than the server's StoreTimeout, or when the connection ends. While the
// server waits for the client instead, the clock stands still.
type step struct {
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer // nil: no limit
	limit  time.Duration
}

func (c *Conn) beginStep(ctx context.Context) *step {
	s := &step{limit: c.server.limit.store}
	s.ctx, s.cancel = context.WithCancel(ctx)
	if s.limit >= 0 {
		s.timer = time.AfterFunc(s.limit, s.cancel)
	}
	return s
}

// pause stops the clock.
func (s *step) pause() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// resume starts the clock anew.
func (s *step) resume() {
	if s.timer != nil {
		s.timer.Reset(s.limit)
	}
}

func (s *step) end() {
	s.pause()
	s.cancel()
}
