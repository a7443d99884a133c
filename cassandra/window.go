package cassandra

import (
	"errors"
	"sync"
)

// window runs things side by side, a bounded number of them at a time.
type window struct {
	places chan struct{}
	group  sync.WaitGroup
}

func newWindow(size int) *window { return &window{places: make(chan struct{}, max(1, size))} }

// run waits for a place, and runs do in it.
func (w *window) run(do func()) {
	w.places <- struct{}{}
	w.group.Go(func() {
		do()
		<-w.places
	})
}

func (w *window) wait() { w.group.Wait() }

// together runs functions side by side and returns what went wrong.
func together(functions ...func() error) error {
	errs := make([]error, len(functions))
	var group sync.WaitGroup
	for i, function := range functions[1:] {
		group.Go(func() { errs[i+1] = function() })
	}
	errs[0] = functions[0]()
	group.Wait()
	return errors.Join(errs...)
}
