package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// step is a stretch of a host's work: its context ends when the work takes
// longer than the server's StoreTimeout, or when the connection ends. While the
// server waits for the client instead, the clock stands still.
type step struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer // nil: no limit
	limit  time.Duration
}

func (c *Conn) beginStep(ctx context.Context) *step {
	s := &step{limit: c.server.limit.store}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	if s.limit >= 0 {
		s.timer = time.AfterFunc(s.limit, func() { s.cancel(context.DeadlineExceeded) })
	}
	return s
}

// explain says of an error whether it came of the time that ran out: a host's
// code sees a context that was cancelled.
func (s *step) explain(err error) error {
	if err != nil && errors.Is(context.Cause(s.ctx), context.DeadlineExceeded) {
		return fmt.Errorf("StoreTimeout of %s: %w: %w", s.limit, context.DeadlineExceeded, err)
	}
	return err
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
	s.cancel(nil)
}
