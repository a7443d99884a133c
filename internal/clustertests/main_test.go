package clustertests

import (
	"os"
	"testing"

	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/paxostest"
)

func TestMain(m *testing.M) {
	child.Main("repair", repairAll)
	os.Exit(paxostest.MainNoLeaks(m))
}
