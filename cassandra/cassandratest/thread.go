package cassandratest

import (
	"errors"
	"os/exec"
	"runtime"
)

// thread is a thread of the operating system that runs functions, one after the
// other, until it is told to end. Two things belong to a thread. The kernel
// ends a node when the thread that started it ends, and Go may end other
// threads at any time. And it is a thread that is in a network namespace: what
// it opens and the processes that it starts are in there.
type thread struct {
	work chan func()
	quit chan struct{}
}

var errThreadEnded = errors.New("the cluster has ended")

func newThread() thread {
	t := thread{make(chan func()), make(chan struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		for {
			select {
			case f := <-t.work:
				f()
			case <-t.quit:
				return
			}
		}
	}()
	return t
}

// do returns what f returned on the thread.
func (t thread) do(f func() error) error {
	done := make(chan error, 1)
	select {
	case t.work <- func() { done <- f() }:
		return <-done
	case <-t.quit:
		return errThreadEnded
	}
}

func (t thread) start(cmd *exec.Cmd) error { return t.do(cmd.Start) }

// end ends the thread, and with it the processes that are bound to it.
func (t thread) end() { close(t.quit) }
