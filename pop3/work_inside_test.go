package pop3

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A body that still writes after it was sent is a fault of the store. It sets no
// timer, which would end the process.
func TestWorkThatIsOverDoesNotBeginAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Conn{server: &Server{}}
		c.server.limit.store = time.Second
		c.work.lock = make(chan struct{}, 1)
		require.NoError(t, c.ask(t.Context(), func(context.Context) error { return nil }))
		c.work.resume()
		time.Sleep(2 * time.Second)
		require.False(t, c.work.running)
	})
}
