package cassandra_test

import (
	"os"
	"testing"

	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/paxostest"
)

func TestMain(m *testing.M) {
	child.Main("crash", doCrash)
	os.Exit(paxostest.MainNoLeaks(m))
}
