//go:build unix

package netserver

import "syscall"

// maxFiles is how many files the process may have open, or 0 if that is not
// known.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
