// Package latest has the value of files that may change.
package latest

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// Latest is what some files say. They are read again when one of them has
// changed, and by Again. If they cannot be read then, or are wrong, that is
// logged, and what they said before stays.
type Latest[T any] struct {
	files []string // none: the value never changes
	read  func() (T, error)
	log   *slog.Logger

	mu     sync.Mutex
	value  T
	seen   []fs.FileInfo // of the files, from before they were read; nil if missing
	looked time.Time     // when seen was compared last
	failed string        // the error of the last time; "" if there was none
}

// lookEvery is the time within which Get looks at the files once at most.
const lookEvery = time.Second

// New reads the files for the first time. What is no regular file is not
// read again.
func New[T any](log *slog.Logger, read func() (T, error), files ...string) (*Latest[T], error) {
	l := &Latest[T]{files: files, read: read, log: log, looked: time.Now()}
	l.seen = l.look()
	if slices.ContainsFunc(l.seen, isPipe) {
		l.files, l.seen = nil, nil
	}
	var err error
	l.value, err = read()
	return l, err
}

// isPipe reports whether a file may be one that can be read once only, and for
// which the next reader would wait: that of a shell's <(command).
func isPipe(file fs.FileInfo) bool { return file != nil && !file.Mode().IsRegular() }

// Get returns the value. There is no goroutine that watches the files: whoever
// needs the value looks whether they have changed.
func (l *Latest[T]) Get() T {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.looked) >= lookEvery {
		l.looked = now
		if l.failed != "" || !slices.EqualFunc(l.seen, l.look(), unchanged) {
			l.readAgain()
		}
	}
	return l.value
}

// Again reads the files, whether they have changed or not.
func (l *Latest[T]) Again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = "" // to be logged again
	l.readAgain()
}

func (l *Latest[T]) readAgain() {
	if len(l.files) == 0 {
		return
	}
	l.seen = l.look()
	var value T
	var err error
	if i := slices.IndexFunc(l.seen, isPipe); i >= 0 {
		err = fmt.Errorf("%s is no regular file any more", l.files[i])
	} else {
		value, err = l.read()
	}
	switch {
	case err == nil:
		l.value, l.failed = value, ""
		l.log.Info("read again", "files", l.files)
	case err.Error() != l.failed:
		l.failed = err.Error()
		l.log.Warn("a file that has changed is not used, and what it said before stays", "error", err)
	}
}

func (l *Latest[T]) look() []fs.FileInfo {
	seen := make([]fs.FileInfo, len(l.files))
	for i, file := range l.files {
		seen[i], _ = os.Stat(file)
	}
	return seen
}

// unchanged reports whether a file is the same as before.
func unchanged(before, now fs.FileInfo) bool {
	if before == nil || now == nil {
		return before == now
	}
	return os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}
