// Package slow marks the tests that take so long that "go test ./..." leaves
// them out. They run with POPCASK_LONG=1, as in .ci/run, and if they are asked
// for by name, with -run.
package slow

import (
	"flag"
	"os"
	"testing"
)

// Test skips a test that takes long, unless it is asked for. The reason says
// what takes so long: "three nodes, which are killed". With -short the test is
// skipped in any case.
func Test(t testing.TB, reason string) {
	t.Helper()
	switch {
	case testing.Short():
		t.Skipf("%s: it takes long, and this is -short", reason)
	case os.Getenv("POPCASK_LONG") != "1" && flag.Lookup("test.run").Value.String() == "":
		t.Skipf("%s: it takes long. It runs with POPCASK_LONG=1, or with -run %s", reason, t.Name())
	}
}
