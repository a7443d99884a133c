package pop3

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the door and the brake remember of addresses is bounded.
func TestTheDoorForgetsAddresses(t *testing.T) {
	d := door{limit: (&Server{}).limits()}
	c := &Conn{origin: netip.MustParsePrefix("192.0.2.1/32")}
	_, err := d.enter(c)
	require.NoError(t, err)
	require.Len(t, d.origins, 1)
	d.leave(c)
	require.Empty(t, d.origins)

	require.Equal(t, 100_000, new(LocalBrake).remembered())
}
