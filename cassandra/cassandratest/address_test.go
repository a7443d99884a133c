//go:build unix

package cassandratest

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests use the directory of the real locks: they must not try the ports of
// an address that a cluster is about to use.
func lockDir(t *testing.T) string {
	dir, err := runtimeDir()
	require.NoError(t, err)
	return dir
}

func TestClustersThatStartTogetherTakeDifferentAddresses(t *testing.T) {
	taken := map[string]bool{}
	for range 3 {
		places, release, err := claimPlaces(lockDir(t), 3)
		require.NoError(t, err)
		t.Cleanup(release)
		for _, p := range places {
			require.False(t, taken[p.Address], p.Address)
			taken[p.Address] = true
		}
	}
}

func TestAddressWithAnyOfItsPortsTakenIsPassedOver(t *testing.T) {
	places, release, err := claimPlaces(lockDir(t), 1)
	require.NoError(t, err)
	at := places[0]
	jmx := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: at.JMX}
	for _, port := range []string{at.cql(), jmx.String()} {
		stranger, err := net.Listen("tcp4", port)
		require.NoError(t, err)
		release()

		_, err = claimSame(lockDir(t), []place{at})
		require.ErrorContains(t, err, at.Address+", which is taken")
		others, releaseOthers, err := claimPlaces(lockDir(t), 1)
		require.NoError(t, err)
		require.NotEqual(t, at.Address, others[0].Address)
		releaseOthers()

		require.NoError(t, stranger.Close())
		release, err = claimSame(lockDir(t), []place{at})
		require.NoError(t, err)
	}
	release()
}
