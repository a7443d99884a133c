package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/parallel"
)

func TestEachKeepsTheLimitAndTheErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, calls atomic.Int32
		err := parallel.Each(3, 10, func(i int) error {
			calls.Add(1)
			if now := running.Add(1); now > most.Load() {
				most.Store(now)
			}
			time.Sleep(time.Second) // of the test's own clock
			running.Add(-1)
			if i%4 == 1 {
				return fmt.Errorf("error %d", i)
			}
			return nil
		})
		require.EqualError(t, err, "error 1\nerror 5\nerror 9")
		require.EqualValues(t, 10, calls.Load())
		require.EqualValues(t, 3, most.Load())
	})
	require.NoError(t, parallel.Each(3, 0, nil))
}

func TestEachCountsErrorsThatAreTooMany(t *testing.T) {
	err := parallel.Each(4, 1000, func(i int) error { return fmt.Errorf("error %d", i) })
	require.EqualError(t, err, "error 0\nerror 1\nerror 2\nerror 3\nerror 4\nerror 5\nerror 6\nerror 7\nand 992 more errors")
}

func TestAllKeepsEveryError(t *testing.T) {
	first, third := errors.New("first"), errors.New("third")
	ready := make(chan struct{})
	err := parallel.All(
		func() error { <-ready; return first },
		func() error { close(ready); return nil },
		func() error { return third },
	)
	require.EqualError(t, err, "first\nthird")
	require.NoError(t, parallel.All(func() error { return nil }))
}

func TestWaitEndsWithTheGroupOrTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	require.NoError(t, parallel.Wait(ctx, &group), "nothing to wait for")
	group.Add(1)
	cancel()
	require.ErrorIs(t, parallel.Wait(ctx, &group), context.Canceled)
	group.Done()
	require.NoError(t, parallel.Wait(t.Context(), &group))
}

func TestWindowRunsWhatItIsGiven(t *testing.T) {
	var sum atomic.Int32
	window := parallel.NewWindow(0) // one at a time
	for i := range 100 {
		window.Run(func() { sum.Add(int32(i)) })
	}
	window.Wait()
	require.EqualValues(t, 4950, sum.Load())
}
