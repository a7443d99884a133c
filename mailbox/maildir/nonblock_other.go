//go:build !unix

package maildir

// openNonblock is 0: the file systems of this system have no pipes.
const openNonblock = 0
