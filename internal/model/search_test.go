package model

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/slow"
)

// limit is more states than any model has.
const limit = 1_500_000

// skipLarge leaves out a large search in a short run.
func skipLarge(t *testing.T, large bool) {
	t.Helper()
	switch {
	case large && testing.Short():
		t.Skip("it takes about a second")
	case large && slow.RaceDetector():
		t.Skip("with the race detector, which has nothing to find in one goroutine, it takes ten: .ci/portable runs it without")
	}
}

// never requires that nothing can go wrong, and that every goal is reached.
func never[S comparable](t *testing.T, m Model[S]) {
	t.Helper()
	start := time.Now()
	result, err := Search(m, limit)
	require.NoError(t, err)
	require.Empty(t, result.Bad, "%v", result.History)
	require.Empty(t, result.Missed)
	t.Logf("%d states, %v", result.States, time.Since(start).Round(time.Millisecond))
}

// fails requires that this goes wrong, and returns the history.
func fails[S comparable](t *testing.T, m Model[S], bad string) []string {
	t.Helper()
	start := time.Now()
	result, err := Search(m, limit)
	require.NoError(t, err)
	require.Equal(t, bad, result.Bad)
	t.Logf("%d states, %v", result.States, time.Since(start).Round(time.Millisecond))
	for _, step := range result.History {
		t.Log(step)
	}
	return result.History
}

// counter counts from 0 to 9, by one or by four.
func counter(bad int) Model[int] {
	return Model[int]{
		Next: func(s int, emit Emit[int]) {
			for _, by := range []int{1, 4} {
				if s+by < 10 {
					emit(s+by, "add %d to %d", by, s)
				}
			}
		},
		Bad: func(s int) string {
			if s == bad {
				return text("it is %d", []int{s})
			}
			return ""
		},
		Goals: []Goal[int]{
			{"nine", func(s int) bool { return s == 9 }},
			{"ten", func(s int) bool { return s == 10 }},
		},
	}
}

func TestSearchFindsAShortestHistory(t *testing.T) {
	t.Parallel()
	result, err := Search(counter(8), 10)
	require.NoError(t, err)
	require.Equal(t, "it is 8", result.Bad)
	require.Equal(t, []string{"add 4 to 0", "add 4 to 4"}, result.History)
}

func TestSearchVisitsEveryState(t *testing.T) {
	t.Parallel()
	result, err := Search(counter(-1), 10)
	require.NoError(t, err)
	require.Equal(t, Result{States: 10, Missed: []string{"ten"}}, result)
}

// A search that has not visited everything is no proof.
func TestSearchFailsAtItsLimit(t *testing.T) {
	t.Parallel()
	_, err := Search(counter(-1), 9)
	require.ErrorIs(t, err, ErrLimit)
}

// spread is a write that arrives at the last replica first. It arrives at the
// others after a replica that leads to them.
func spread(leads func(has set) bool) Model[set] {
	c := cluster{here: 3}
	return Model[set]{
		Next: func(s set, emit Emit[set]) {
			for r := range (c.replicas() &^ s).each {
				if s == 0 && r == 2 || leads(s) {
					emit(s.with(r), "it arrives at R%d", r+1)
				}
			}
		},
		Same: func(s set) set { return first(s.count()) },
		Bad: func(s set) string {
			if s == c.replicas() {
				return "it is everywhere"
			}
			return ""
		},
	}
}

// The search knows only how many replicas are in which state. Its history names
// the same replica from the first step to the last all the same.
func TestHistoryKeepsTheNamesOfReplicas(t *testing.T) {
	t.Parallel()
	result, err := Search(spread(func(has set) bool { return has != 0 }), 10)
	require.NoError(t, err)
	require.Equal(t, []string{"it arrives at R3", "it arrives at R1", "it arrives at R2"}, result.History)
}

// A model whose replicas are not alike has no history.
func TestReplicasHaveToBeAlike(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "model: the replicas of the model are not alike", func() {
		_, _ = Search(spread(func(has set) bool { return has.has(0) }), 10)
	})
}
