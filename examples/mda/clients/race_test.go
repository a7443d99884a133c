//go:build race

package clients

// The MDA is built as the tests are: with the race detector, when they have it.
var buildFlags = []string{"-race"}
