package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// deadline bounds one piece of a host's work. Its context ends when the work
// takes longer than Server.StoreTimeout, or with the connection. The clock
// stands still while the server waits for the client.
type deadline struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer // nil: no limit
	limit  time.Duration
}

func (c *Conn) startDeadline(ctx context.Context) *deadline {
	d := &deadline{limit: c.server.limit.store}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	if d.limit >= 0 {
		d.timer = time.AfterFunc(d.limit, func() { d.cancel(context.DeadlineExceeded) })
	}
	return d
}

// stop releases the deadline's resources.
func (d *deadline) stop() {
	d.pause()
	d.cancel(nil)
}

// pause stops the clock.
func (d *deadline) pause() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// resume starts the clock anew.
func (d *deadline) resume() {
	if d.timer != nil {
		d.timer.Reset(d.limit)
	}
}

// explain adds to err that the time was over, if it was: a host's code sees
// only a cancelled context.
func (d *deadline) explain(err error) error {
	if err != nil && errors.Is(context.Cause(d.ctx), context.DeadlineExceeded) {
		return fmt.Errorf("StoreTimeout of %s: %w: %w", d.limit, context.DeadlineExceeded, err)
	}
	return err
}

// deadlineReader starts the clock anew with every read: each stretch of a
// message may take as long as any other piece of work.
type deadlineReader struct {
	source   io.Reader
	deadline *deadline
}

func (r *deadlineReader) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.deadline.resume()
	return n, err
}
