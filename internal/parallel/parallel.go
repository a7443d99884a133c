// Package parallel runs functions side by side, a bounded number of them at a
// time, and keeps their errors.
package parallel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Each calls do with each number from 0 to n-1, at most limit of them at a time,
// and waits for all of them. An error does not stop the others. Each returns the
// errors, joined in the order of the numbers: the first few of them, and how many
// more there are.
func Each(limit, n int, do func(i int) error) error {
	errs := make([]error, n)
	w := NewWindow(min(limit, n))
	for i := range n {
		w.Run(func() { errs[i] = do(i) })
	}
	w.Wait()
	return join(errs)
}

// named is how many errors are named before the rest is counted: a cluster that
// is out of reach fails a thousand statements for one reason.
const named = 8

func join(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if more := len(errs) - named; more > 0 {
		errs = append(errs[:named], fmt.Errorf("and %d more errors", more))
	}
	return errors.Join(errs...)
}

// All calls the functions side by side, waits for all of them, and returns their
// errors, joined in their order. The first function runs on the goroutine of the
// caller.
func All(functions ...func() error) error {
	errs := make([]error, len(functions))
	var group sync.WaitGroup
	for i, function := range functions[1:] {
		group.Go(func() { errs[i+1] = function() })
	}
	errs[0] = functions[0]()
	group.Wait()
	return errors.Join(errs...)
}

// Wait waits for a group until ctx ends, and returns nil or the error of the
// context. It leaves a goroutine until the group is done.
func Wait(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Window bounds how many functions run at a time.
type Window struct {
	places chan struct{}
	group  sync.WaitGroup
}

// NewWindow returns a window for size functions at a time; at least one.
func NewWindow(size int) *Window { return &Window{places: make(chan struct{}, max(1, size))} }

// Run waits for a place, and calls do in the background.
func (w *Window) Run(do func()) {
	w.places <- struct{}{}
	w.group.Go(func() {
		do()
		<-w.places
	})
}

// Wait waits for all functions that Run has started.
func (w *Window) Wait() { w.group.Wait() }
