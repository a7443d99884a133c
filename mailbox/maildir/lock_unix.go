//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package maildir

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// locker locks mailboxes.
type locker struct{}

// lock takes the lock of a mailbox, which excludes other processes and other
// goroutines, or returns the error of ctx. The kernel frees the lock if the
// process dies.
func (*locker) lock(ctx context.Context, home *os.Root) (unlock func(), err error) {
	file, err := home.Open(".")
	if err != nil {
		return nil, err
	}
	// A flock that waits in the kernel could not be cancelled.
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = file.Close() }, nil
		case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		default:
			_ = file.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}
