package netserver

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The default leaves files for what the sessions open, and for the rest of the
// process.
func TestConnectionsAreFewerThanTheFilesOfTheProcess(t *testing.T) {
	for files, want := range map[uint64]int{
		0: 10_000, 1: 1, 256: 64, 1024: 256, 20_000: 5000, 40_000: 10_000, 1 << 20: 10_000, 1<<64 - 1: 10_000,
	} {
		require.Equal(t, want, connectionsFor(files), "%d files", files)
	}
}

func TestDefaultsFollowEachOther(t *testing.T) {
	for connections, want := range map[int][2]int{-1: {-1, 100}, 1: {1, 1}, 3: {1, 1}, 100: {50, 50}, 10_000: {5000, 100}} {
		waiting := DefaultWaiting(connections)
		require.Equal(t, want, [2]int{waiting, DefaultPerAddress(waiting)}, "%d connections", connections)
	}
}
