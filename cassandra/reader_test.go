package cassandra_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A reader that is closed, twice even, waits for nothing, and reads no more: not
// with the next chunks under way, nor before the first or behind the last octet.
func TestReaderIsClosedOnce(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.ChunkSize = 16 << 10
	store := storetest.NewStore(t, config)
	const user = "closer@example.org"
	text := storetest.BigBody(3, 400<<10)
	m := storetest.Deliver(t, store, user, text)
	mb := storetest.Open(t, store, user)
	_, err := storetest.TryList(t.Context(), mb)
	require.NoError(t, err)
	for _, options := range []mailbox.OpenOptions{{}, {Top: true, Lines: 1}} {
		for _, before := range []int{0, 1, 100 << 10, len(text)} {
			body, err := mb.Open(t.Context(), m.ID, options)
			require.NoError(t, err)
			_, err = io.ReadFull(body, make([]byte, before))
			require.NoError(t, err)
			done := make(chan struct{})
			go func() {
				defer close(done)
				require.NoError(t, body.Close())
				require.NoError(t, body.Close())
				n, err := body.Read(make([]byte, 1))
				require.Zero(t, n)
				require.Error(t, err)
				written, err := body.(io.WriterTo).WriteTo(io.Discard)
				require.Zero(t, written)
				require.Error(t, err)
			}()
			select {
			case <-done:
			case <-time.After(time.Minute):
				t.Fatalf("closed after %d octets: it hangs", before)
			}
		}
	}
}
