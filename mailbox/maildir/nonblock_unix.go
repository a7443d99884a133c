//go:build unix

package maildir

import "syscall"

// openNonblock opens a pipe without waiting for its other end.
const openNonblock = syscall.O_NONBLOCK
