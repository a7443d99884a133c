package mailboxtest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// recorder is a testing.TB that records what a check says instead of failing the
// test. It embeds the real one only for its private method.
type recorder struct {
	testing.TB

	mu       sync.Mutex
	failures []string
	skips    []string // of whole checks
	skipped  []string // that Run logs
	cleanups []func()
}

// record runs one check to its end, with its cleanups.
func record(t testing.TB, c check, open func(t testing.TB) Harness) *recorder {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &recorder{TB: t}
	in := func(f func()) { // a goroutine, because FailNow ends it
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	in(func() { c.on(withContext{r, ctx}, open, &r.skipped) })
	cancel() // as package testing does, just before the cleanups
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		in(last)
	}
	return r
}

// withContext gives each check a context of its own.
type withContext struct {
	*recorder
	ctx context.Context
}

func (w withContext) Context() context.Context { return w.ctx }

func (r *recorder) note(to *[]string, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*to = append(*to, text)
}

func (r *recorder) Helper()                   {}
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool              { return len(r.failures) > 0 }
func (r *recorder) Skipped() bool             { return len(r.skips) > 0 }
func (r *recorder) Log(...any)                {}
func (r *recorder) Logf(string, ...any)       {}
func (r *recorder) Error(args ...any)         { r.note(&r.failures, fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, a ...any) { r.note(&r.failures, fmt.Sprintf(f, a...)) }
func (r *recorder) Fail()                     { r.note(&r.failures, "") }
func (r *recorder) FailNow()                  { r.Fail(); runtime.Goexit() }
func (r *recorder) Fatal(args ...any)         { r.Error(args...); runtime.Goexit() }
func (r *recorder) Fatalf(f string, a ...any) { r.Errorf(f, a...); runtime.Goexit() }
func (r *recorder) Skip(args ...any)          { r.note(&r.skips, fmt.Sprint(args...)); runtime.Goexit() }
func (r *recorder) Skipf(f string, a ...any)  { r.Skip(fmt.Sprintf(f, a...)) }
func (r *recorder) SkipNow()                  { r.Skip("") }
