package maildir

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIDsAscendAndAreDistinct(t *testing.T) {
	now := time.Now()
	m := mint{now: func() time.Time { return now }}
	other := mint{now: m.now}
	seen := map[string]bool{}
	var last int64
	for range 1000 {
		id := m.id()
		require.Greater(t, timeOf(id), last)
		last = timeOf(id)
		for _, id := range []string{id, other.id()} {
			require.False(t, seen[id], "another mint with the same clock and process included")
			seen[id] = true
		}
	}
}
