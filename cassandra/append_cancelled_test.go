package cassandra_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A delivery whose sender gives up in the middle leaves nothing behind.
func TestP1DeliveryThatEndsInTheMiddle(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 32 << 10
	var mu sync.Mutex
	var atStatement func() // runs at each statement
	config.Observer = func(cassandra.Observation) {
		mu.Lock()
		defer mu.Unlock()
		if atStatement != nil {
			atStatement()
		}
	}
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	big := storetest.BigBody(2, 400<<10)
	recipients := mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "a@example.org"}, {User: "b@example.org"}}}
	nothing := func(t *testing.T) {
		t.Helper()
		storetest.Eventually(t, "nothing of the attempt is left", func() bool {
			return len(storetest.List(t, store, "a@example.org")) == 0 && len(storetest.List(t, store, "b@example.org")) == 0 && tables.Contents() == 0
		})
		storetest.Consistent(t, config, "a@example.org", "b@example.org")
	}

	t.Run("cancelled while the body arrives", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		source := io.MultiReader(strings.NewReader(big[:200<<10]), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }), strings.NewReader(big[200<<10:]))
		results, err := store.Append(ctx, recipients, source)
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, results)
		nothing(t)
	})
	t.Run("the body breaks", func(t *testing.T) {
		for _, size := range []int{100, 300 << 10} {
			results, err := store.Append(t.Context(), recipients, io.MultiReader(strings.NewReader(big[:size]), iotest.ErrReader(io.ErrUnexpectedEOF)))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Nil(t, results)
			nothing(t)
		}
	})
	for name, message := range map[string]string{"small": storetest.Body(1), "chunked": big} {
		t.Run("cancelled at each statement in turn/"+name, func(t *testing.T) {
			for n := 1; ; n++ {
				ctx, cancel := context.WithCancel(t.Context())
				seen := 0
				mu.Lock()
				atStatement = func() {
					if seen++; seen == n {
						cancel()
					}
				}
				mu.Unlock()
				m, err := storetest.TryDeliver(ctx, store, "c@example.org", message)
				mu.Lock()
				atStatement = nil
				mu.Unlock()
				uncancelled := ctx.Err() == nil
				cancel()
				if err == nil {
					storetest.Holds(t, store, "c@example.org", message)
					mb := storetest.Open(t, store, "c@example.org")
					require.NoError(t, mb.Delete(t.Context(), []string{m.ID}))
					storetest.Eventually(t, "purged", func() bool { return tables.Contents() == 0 })
				}
				if uncancelled {
					require.NoError(t, err)
					require.Greater(t, n, 4)
					break
				}
				storetest.Eventually(t, "nothing of the attempt is left", func() bool {
					return len(storetest.List(t, store, "c@example.org")) == 0 && tables.Contents() == 0
				})
			}
			storetest.Consistent(t, config, "c@example.org")
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) {
	if n, err := f(p); n > 0 || err != nil {
		return n, err
	}
	return 0, io.EOF
}

// A body that breaks off leaves nothing, wherever it does.
func TestP4BrokenBodyLeavesNothing(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	broken := errors.New("the line is dead")
	for _, size := range []int{0, 100, 1 << 16, 1<<16 + 1, 1 << 19} {
		for _, cause := range []error{broken, io.ErrUnexpectedEOF} {
			text := bytes.Repeat([]byte("x"), size)
			results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "bob"}, {User: "eve"}}},
				io.MultiReader(bytes.NewReader(text), iotest.ErrReader(cause)))
			require.ErrorIs(t, err, cause)
			require.Nil(t, results)
		}
	}
	storetest.CloseStore(t, store)
	after := storetest.NewStore(t, config)
	requireEmpty(t, cluster, config, after, "bob")
	requireEmpty(t, cluster, config, after, "eve")
}
