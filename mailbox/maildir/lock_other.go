//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package maildir

import (
	"context"
	"os"
	"sync"
)

// locker locks maildrops: where the system has no flock, all at once, and only
// against this store.
type locker struct{ mu sync.Mutex }

func (l *locker) lock(context.Context, *os.Root) (unlock func(), err error) {
	l.mu.Lock()
	return l.mu.Unlock, nil
}
