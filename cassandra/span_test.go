package cassandra

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Spans are compared with the sets of their moments.
func TestSpans(t *testing.T) {
	const top = 30
	drawSpan := rapid.Custom(func(t *rapid.T) span {
		from := rapid.Int64Range(0, top).Draw(t, "from")
		return span{from, rapid.Int64Range(from, top).Draw(t, "to")}
	})
	moments := func(spans []span) map[int64]bool {
		set := make(map[int64]bool)
		for _, s := range spans {
			for m := s.from; m <= s.to; m++ {
				set[m] = true
			}
		}
		return set
	}
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOfN(drawSpan, 0, 6).Draw(t, "spans")
		whole := drawSpan.Draw(t, "whole")
		want := moments(spans)

		merged := merge(append([]span(nil), spans...))
		require.Equal(t, want, moments(merged))
		for i := 1; i < len(merged); i++ {
			require.Greater(t, merged[i].from, merged[i-1].to+1, "apart and in order")
		}

		rest := moments(subtract(whole, merged))
		for m := int64(0); m <= top; m++ {
			require.Equal(t, m >= whole.from && m <= whole.to && !want[m], rest[m], "moment %d", m)
		}
	})
}

// The parts of slices before and after a span are in order.
func TestSlicesAroundASpan(t *testing.T) {
	list := []Slice{{1, 0, 9}, {2, 10, 19}, {2, 25, 29}, {3, 30, 39}}
	before, after := around(list, span{15, 32})
	require.Equal(t, []Slice{{1, 0, 9}, {2, 10, 14}}, before)
	require.Equal(t, []Slice{{3, 33, 39}}, after)
}
