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
			require.True(t, minted(id))
		}
	}
}

func TestAnIDOfAnotherProgramIsNotMinted(t *testing.T) {
	whole := time.Unix(1_700_000_000, 0)
	m := mint{now: func() time.Time { return whole }}
	require.True(t, minted(m.id()), "no microseconds")
	for _, id := range []string{
		"", "1700000000", "1700000000.M364837P9451.kurkku", "1700000000.V801I2M1.host", "1700000000.M1P2Q3.host",
		"1700000000.M1P2Q3R0123456789abcdeg.host", "1700000000.M1P2Q3R0123.host", "1700000000.MPQ3R0123456789abcdef.host",
		"1700000000.R0123456789abcdefM1P2Q3.host",
	} {
		require.False(t, minted(id), id)
	}
}
