package indextest

import (
	"context"
	"errors"
	"time"

	"github.com/popcask/popcask/cassandra"
)

// ended are contexts that have ended, by their errors.
func ended(ctx context.Context) map[error]context.Context {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	late, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
	cancel()
	return map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: late}
}

// endedCalls makes calls with contexts that have ended: nil means that all was
// done, and after an error the same call may be made again.
func endedCalls(ctx context.Context, s *suite) {
	for want, done := range ended(ctx) {
		b := s.newBox()
		e, restored := entry(s.microseconds(time.Hour)), entry(s.microseconds(time.Hour))
		twice := func(name string, do func(context.Context) error) {
			err := do(done)
			if err != nil && !errors.Is(err, want) {
				breaks(ruleContext, "%s with a context that has ended with %q returned %v", name, want, err)
			}
			if err == nil {
				b.expect(ctx, ruleContext, "after "+name+" with a context that has ended returned nil")
			}
			if err := do(ctx); err != nil {
				breaks(ruleContext, "%s failed that had been called before with a context that has ended: %v", name, err)
			}
			b.expect(ctx, ruleContext, "after "+name+" with a context that has ended, and with another")
		}
		b.note(e)
		twice("Added", func(ctx context.Context) error { return b.Added(ctx, b.id, e) })
		b.note(restored)
		twice("Restore", func(ctx context.Context) error { return b.Restore(ctx, b.id, restored) })
		delete(b.entries, e.ID)
		delete(b.entries, restored.ID)
		twice("Removed", func(ctx context.Context) error {
			return b.Removed(ctx, b.id, []cassandra.MessageID{e.ID, restored.ID})
		})
	}
}

// endedListings lists with contexts that end before or meanwhile.
func endedListings(ctx context.Context, s *suite) {
	for _, l := range s.large(ctx).ways() {
		for want, done := range ended(ctx) {
			got, err := read(l.begin(done))
			l.judge(got, err, want)
		}
		for _, n := range []int{1, bucketsAtOnce, len(l.want) / 2, len(l.want)} {
			ctx, cancel := context.WithCancel(ctx)
			var got []cassandra.Listed
			var failed error
			for one, err := range l.begin(ctx) {
				if failed = err; err != nil {
					break
				}
				if got = append(got, one); len(got) == n {
					cancel()
				}
			}
			cancel()
			l.judge(got, failed, context.Canceled)
		}
		l.expect(ctx, ruleContext, "after some with contexts that ended")
	}
}

// judge looks at a listing whose context has ended with an error.
func (l listing) judge(got []cassandra.Listed, err, want error) {
	switch {
	case err != nil && !errors.Is(err, want):
		breaks(ruleContext, "%s with a context that has ended with %q failed with %v", l.name, want, err)
	case err == nil && len(got) != len(l.want):
		breaks(ruleContext, "%s with a context that has ended is over without an error after %d of %d messages", l.name, len(got), len(l.want))
	}
	if wrong := difference(got, l.want[:min(len(got), len(l.want))]); wrong != "" {
		breaks(ruleContext, "%s with a context that has ended %s", l.name, wrong)
	}
}
