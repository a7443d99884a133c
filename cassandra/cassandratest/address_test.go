//go:build unix

package cassandratest

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClustersThatStartTogetherTakeDifferentAddresses(t *testing.T) {
	taken := map[string]bool{}
	for range 3 {
		places, release, err := claimPlaces(3)
		require.NoError(t, err)
		t.Cleanup(release)
		for _, p := range places {
			require.False(t, taken[p.Address], p.Address)
			taken[p.Address] = true
		}
	}
}

func TestAddressWithAnyOfItsPortsTakenIsPassedOver(t *testing.T) {
	places, release, err := claimPlaces(1)
	require.NoError(t, err)
	at := places[0]
	jmx := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: at.JMX}
	for _, port := range []string{at.cql(), jmx.String()} {
		stranger, err := net.Listen("tcp4", port)
		require.NoError(t, err)
		release()

		_, err = claimSame([]place{at})
		require.ErrorContains(t, err, at.Address+", which is taken")
		others, releaseOthers, err := claimPlaces(1)
		require.NoError(t, err)
		require.NotEqual(t, at.Address, others[0].Address)
		releaseOthers()

		require.NoError(t, stranger.Close())
		release, err = claimSame([]place{at})
		require.NoError(t, err)
	}
	release()
}
