//go:build !unix

package maildir

// openNonblock would keep the opening of a pipe from waiting for its other end.
const openNonblock = 0
