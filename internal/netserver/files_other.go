//go:build !unix

package netserver

// maxFiles is how many files the process may have open, or 0 if that is not
// known.
func maxFiles() uint64 { return 0 }
