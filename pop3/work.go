package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// soon is how long a client waits for answers that are due while the host works
// on the next one. It is long enough to gather the answers to pipelined
// commands, and too short to be noticed.
const soon = 5 * time.Millisecond

// work is one piece of a host's work. Its context ends when the work takes
// longer than Server.StoreTimeout, or with the connection. If it takes longer
// than a moment, the answers that are due are sent meanwhile: this is the one
// place where the server sends what it owes before it asks the host.
//
// While the work is running its timer may touch the connection's output, so the
// session must not. After pause it may.
//
// A connection has one piece of work at a time, and one timer for all of them.
// If that fires late, in the next work, it finds that the time is not over.
type work struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	out    *output
	limit  time.Duration // negative: none

	lock    chan struct{} // of one place: a bubble of synctest can wait for it, and not for a Mutex
	timer   *time.Timer
	running bool
	due     bool      // answers are to be sent when the timer fires
	until   time.Time // the end of the limit
}

// ask runs a piece of a host's work.
func (c *Conn) ask(ctx context.Context, f func(context.Context) error) error {
	w := c.startWork(ctx)
	defer c.stopWork()
	return w.explain(f(w.ctx))
}

func (c *Conn) startWork(ctx context.Context) *work {
	w := &c.work
	w.out, w.limit = &c.out, c.server.limit.store
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.resume()
	return w
}

// stopWork ends the work that is under way.
func (c *Conn) stopWork() {
	c.work.pause()
	c.work.cancel(nil)
	c.work.ctx, c.work.cancel = nil, nil
}

func (w *work) unlock() { <-w.lock }

// pause stops the clock, and gives the output back to the session.
func (w *work) pause() {
	w.lock <- struct{}{}
	defer w.unlock()
	w.running = false
	if w.timer != nil {
		w.timer.Stop()
	}
}

// resume starts the clock anew, unless the work is over.
func (w *work) resume() {
	w.lock <- struct{}{}
	defer w.unlock()
	if w.cancel == nil {
		return
	}
	w.running = true
	w.due = len(w.out.pending) > 0
	next := w.limit
	if w.limit >= 0 {
		w.until = time.Now().Add(w.limit)
	}
	if w.due {
		left := max(0, soon-time.Since(w.out.since))
		if next < 0 || next > left {
			next = left
		}
	}
	w.rearm(next)
}

// rearm makes the timer fire after a while; negative: never.
func (w *work) rearm(after time.Duration) {
	switch {
	case after < 0:
	case w.timer == nil:
		w.timer = time.AfterFunc(after, w.fire)
	default:
		w.timer.Reset(after)
	}
}

func (w *work) fire() {
	w.lock <- struct{}{}
	defer w.unlock()
	if !w.running {
		return
	}
	if w.due {
		w.due = false
		began := time.Now()
		w.out.flush() // its error comes with the next one
		w.until = w.until.Add(time.Since(began))
	}
	if w.limit < 0 {
		return
	}
	if left := time.Until(w.until); left > 0 {
		w.rearm(left)
		return
	}
	w.cancel(context.DeadlineExceeded)
}

// explain adds to err that the time was over, if it was: a host's code sees
// only a cancelled context.
func (w *work) explain(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), context.DeadlineExceeded) {
		return fmt.Errorf("StoreTimeout of %s: %w: %w", w.limit, context.DeadlineExceeded, err)
	}
	return err
}

// workReader starts the clock anew with every read: each stretch of a message
// may take as long as any other piece of work.
type workReader struct {
	source io.Reader
	work   *work
}

func (r *workReader) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.work.resume()
	return n, err
}
