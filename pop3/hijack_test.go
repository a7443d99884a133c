package pop3_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
)

// Whom the host has taken over makes no room for newcomers: a director does so
// in the middle of the login.
func TestHijackedConnectionsAreNotDisplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost("one")
		server := insecure(host)
		server.MaxConnections, server.MaxBeforeLogin, server.MaxPerAddress = 3, 1, 2
		var conn *pop3.Conn
		server.Hooks = &pop3.Hooks{Connect: func(_ context.Context, c *pop3.Conn) { conn = c }}
		host.set(inLogin, func(ctx context.Context) error {
			nc, _, err := conn.Hijack()
			if err != nil {
				return err
			}
			defer nc.Close()
			select {
			case <-ctx.Done():
				fmt.Fprintf(nc, "displaced\r\n")
			case <-time.After(time.Second):
				fmt.Fprintf(nc, "directed\r\n")
			}
			return nil
		})
		p := pipeFrom(t, server, "192.0.2.1:1")
		p.Send("USER demo\r\nPASS secret\r\n")
		require.Equal(t, "+OK send PASS", p.Line())
		synctest.Wait()
		require.Equal(t, pop3.Stats{Open: 1}, server.Stats())
		requireAlive(t, pipeFrom(t, server, "192.0.2.1:2"))
		requireAlive(t, pipeFrom(t, server, "192.0.2.2:1"))
		require.Equal(t, "directed", p.Line())
	})
}
