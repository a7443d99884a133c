package pop3

import (
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// failsOnce is a connection whose first write fails.
type failsOnce struct {
	net.Conn
	writes int
}

func (c *failsOnce) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 1 {
		return 0, errors.New("no route to host")
	}
	return len(p), nil
}

// After an error nothing more is sent: the client would miss something in
// between.
func TestNothingIsSentAfterAnError(t *testing.T) {
	nc := new(failsOnce)
	out := output{nc: nc, timeout: -1}
	out.strings("one")
	require.Error(t, out.flush())
	out.strings("two")
	require.Error(t, out.flush())
	out.Write(make([]byte, 2*writeBuffer))
	require.Error(t, out.flush())
	require.Equal(t, 1, nc.writes)
}
