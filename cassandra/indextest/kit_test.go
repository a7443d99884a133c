package indextest

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/paxostest"
)

func TestMain(m *testing.M) { os.Exit(paxostest.MainNoLeaks(m)) }

// An index without bugs passes everything.
func TestTheHealthyIndexPasses(t *testing.T) {
	s := newSuite(clock{}, newPlanted())
	for _, c := range checks {
		require.NoError(t, c.try(t.Context(), s), c.name)
	}
}

// bug is one way in which an index can break one rule.
type bug struct {
	check string // that finds it
	name  string
	rule  rule // that the failure cites
	plant func(p *planted)
}

func TestEveryPlantedBugIsFound(t *testing.T) {
	found := make(map[string]bool)
	for _, b := range slices.Concat(callBugs(), listingBugs(), sliceBugs(), scanBugs()) {
		t.Run(b.check+"/"+strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			i := slices.IndexFunc(checks, func(c check) bool { return c.name == b.check })
			require.GreaterOrEqual(t, i, 0, "no such check")
			p := newPlanted()
			b.plant(p)
			s := newSuite(clock{}, p)
			s.patience = 100 * time.Millisecond
			err := checks[i].try(t.Context(), s)
			require.Error(t, err, "the kit does not find it")
			require.ErrorContains(t, err, string(b.rule))
			require.NotContains(t, err.Error(), "\n", "a failure is one sentence")
			require.NotContains(t, err.Error(), "%!", "a failure is well formatted")
			t.Log(err)
			found[b.check] = true
		})
	}
	for _, c := range checks {
		require.True(t, found[c.name], "no planted bug shows that the check %s can fail", c.name)
	}
}
