package netserver

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for _, nobody := range []net.Addr{nil, &net.UnixAddr{Net: "unix"}, &net.UnixAddr{Name: "@", Net: "unix"}} {
		require.Equal(t, "-", Text(nobody))
	}
	require.Equal(t, "192.0.2.1:5", Text(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}))
	require.Equal(t, "/run/mail", Text(&net.UnixAddr{Name: "/run/mail", Net: "unix"}))
}
