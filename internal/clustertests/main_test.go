package clustertests

import (
	"os"
	"testing"

	"github.com/popcask/popcask/internal/paxostest"
)

func TestMain(m *testing.M) { os.Exit(paxostest.MainNoLeaks(m)) }
