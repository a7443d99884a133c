package driver

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

// A failed statement is tried again a few times, once if it needs every data
// centre, and not at all if its error does not pass (P8).
func TestP8RetriesAreBounded(t *testing.T) {
	passing, lasting := errors.New("a time-out"), errors.New("a mistake")
	for _, test := range []struct {
		level   cql.Level
		retries int
		err     error
		want    int // tries
	}{
		{cql.LocalQuorum, DefaultRetries, passing, 1 + DefaultRetries},
		{cql.LocalQuorum, 0, passing, 1},
		{cql.EachQuorum, DefaultRetries, passing, 2},
		{cql.All, DefaultRetries, passing, 2},
		{cql.EachQuorum, 0, passing, 1},
		{cql.LocalQuorum, DefaultRetries, lasting, 1},
		{cql.LocalQuorum, DefaultRetries, nil, 1},
	} {
		tries := 0
		err := Retry(t.Context(), test.level, test.retries, func(err error) bool { return err == passing }, noPause, func(try int) error {
			require.Equal(t, tries, try)
			tries++
			return test.err
		})
		require.Equal(t, test.err, err)
		require.Equal(t, test.want, tries, "%v", test)
	}
}

// Pauses double up to a second.
func TestPausesBetweenTries(t *testing.T) {
	var rules []time.Duration
	pause := func(rule time.Duration) time.Duration { rules = append(rules, rule); return 0 }
	Retry(t.Context(), cql.LocalQuorum, 7, func(error) bool { return true }, pause, func(int) error { return errors.New("a time-out") })
	ms := time.Millisecond
	require.Equal(t, []time.Duration{25 * ms, 50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms}, rules)
}

// Nothing is tried after its context has ended, and no pause outlives it (P8).
func TestP8NoTryAfterTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries, failed := 0, errors.New("a time-out")
	long := func(time.Duration) time.Duration { cancel(); return time.Hour }
	err := Retry(ctx, cql.LocalQuorum, DefaultRetries, func(error) bool { return true }, long, func(int) error { tries++; return failed })
	require.Equal(t, failed, err)
	require.Equal(t, 1, tries)
	require.Equal(t, failed, Retry(ctx, cql.LocalQuorum, DefaultRetries, func(error) bool { return true }, noPause, func(int) error { tries++; return failed }))
	require.Equal(t, 2, tries)
}

func noPause(time.Duration) time.Duration { return 0 }

// A try has half of the time that is left, so that a node that says nothing
// does not use up all of it; the last one has all (P8).
func TestP8ATryHasHalfOfTheTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
	defer cancel()
	tries := 0
	err := (&Session{retries: 3}).attempt(ctx, cql.LocalQuorum, func(ctx context.Context, _ int) error {
		if tries++; tries == 2 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	require.NoError(t, err)
	require.Equal(t, 2, tries)
	require.NoError(t, ctx.Err())

	err = (&Session{retries: 1}).attempt(ctx, cql.LocalQuorum, func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// The tries of all statements of one context have one budget (P8).
func TestP8TriesOfOneContextHaveABudget(t *testing.T) {
	var budget Budget
	budget.Add(4)
	ctx := WithBudget(t.Context(), &budget)
	tries := 0
	for range 5 {
		Retry(ctx, cql.LocalQuorum, DefaultRetries, func(error) bool { return true }, noPause, func(int) error { tries++; return errors.New("a time-out") })
	}
	require.Equal(t, 5+4, tries)
}
