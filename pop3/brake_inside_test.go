package pop3

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// What the brake remembers of addresses is bounded.
func TestTheBrakeForgetsAddresses(t *testing.T) {
	require.Equal(t, 100_000, new(LocalBrake).remembered())
}

// A wait that ends takes no turn, and nobody's place.
func TestAWaitThatEndsTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns turns
		release, err := turns.take(t.Context(), place{}, 1)
		require.NoError(t, err)
		begun := make(chan func(), 3)
		wait := func(ctx context.Context) chan error {
			ended := make(chan error, 1)
			go func() {
				release, err := turns.take(ctx, place{}, 1)
				if ended <- err; err == nil {
					begun <- release
				}
			}()
			synctest.Wait()
			return ended
		}
		ctx, cancel := context.WithCancel(t.Context())
		first, second, third := wait(t.Context()), wait(ctx), wait(t.Context())
		cancel()
		synctest.Wait()
		require.ErrorIs(t, <-second, context.Canceled)
		require.Empty(t, begun)
		release()
		require.NoError(t, <-first)
		(<-begun)()
		require.NoError(t, <-third)
		(<-begun)()
		require.Zero(t, turns.taken)
		require.Empty(t, turns.lines)
	})
}
