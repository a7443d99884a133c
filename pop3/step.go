package pop3

import (
	"context"
	"io"
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

// stretchReader reads a message of which each stretch may take as long as a
// step.
type stretchReader struct {
	source io.Reader
	step   *step
}

func (r *stretchReader) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.step.resume()
	return n, err
}

func (s *step) end() {
	s.pause()
	s.cancel()
}
