//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package maildir

import (
	"context"
	"os"
	"sync"
)

// locker locks mailboxes on a system without flock: all of them together, and
// only against other goroutines that use this Store.
type locker struct{ mu sync.Mutex }

func (l *locker) lock(context.Context, *os.Root) (unlock func(), err error) {
	l.mu.Lock()
	return l.mu.Unlock, nil
}
