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

// P1: a delivery whose sender gives up in the middle leaves nothing.
func TestP1DeliveryThatEndsInTheMiddle(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 32 << 10
	var hook statementHook
	config.Observer = hook.observe
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	big := storetest.BigBody(2, 400<<10)
	users := []string{"a@example.org", "b@example.org"}
	nothingIsLeft := func(t *testing.T) {
		t.Helper()
		storetest.Eventually(t, "nothing of the attempt is left", func() bool {
			return len(storetest.List(t, store, users[0])) == 0 && len(storetest.List(t, store, users[1])) == 0 && tables.Contents() == 0
		})
		storetest.Consistent(t, config, users...)
	}

	t.Run("cancelled while the body arrives", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		source := io.MultiReader(strings.NewReader(big[:200<<10]), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }), strings.NewReader(big[200<<10:]))
		results, err := store.Append(ctx, mailbox.To(users...), source)
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, results)
		nothingIsLeft(t)
	})
	t.Run("the body breaks", func(t *testing.T) {
		for _, size := range []int{100, 300 << 10} {
			results, err := store.Append(t.Context(), mailbox.To(users...), io.MultiReader(strings.NewReader(big[:size]), iotest.ErrReader(io.ErrUnexpectedEOF)))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Nil(t, results)
			nothingIsLeft(t)
		}
	})
	for name, message := range map[string]string{"small": storetest.Body(1), "chunked": big} {
		t.Run("cancelled at each statement in turn/"+name, func(t *testing.T) {
			for n := 1; cancelAt(t, store, tables, &hook, n, message); n++ {
			}
			storetest.Consistent(t, config, "c@example.org")
		})
	}
}

// cancelAt cancels a delivery when its n-th statement is answered, and checks
// that it is listed, or has left nothing. It returns false if the delivery has
// fewer statements.
func cancelAt(t *testing.T, store *cassandra.Store, tables storetest.Tables, hook *statementHook, n int, message string) (cancelled bool) {
	t.Helper()
	const user = "c@example.org"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hook.at(n, cancel)
	m, err := storetest.TryDeliver(ctx, store, user, message)
	hook.at(0, nil)
	cancelled = ctx.Err() != nil
	if err == nil {
		storetest.Holds(t, store, user, message)
		mb := storetest.Open(t, store, user)
		require.NoError(t, mb.Delete(t.Context(), []string{m.ID}))
		storetest.Eventually(t, "purged", func() bool { return tables.Contents() == 0 })
	}
	if !cancelled {
		require.NoError(t, err)
		require.Greater(t, n, 4)
		return false
	}
	storetest.Eventually(t, "nothing of the attempt is left", func() bool {
		return len(storetest.List(t, store, user)) == 0 && tables.Contents() == 0
	})
	return true
}

// statementHook is an observer that calls a function at one of the next
// statements.
type statementHook struct {
	mu   sync.Mutex
	left int
	do   func()
}

// at calls do at the n-th statement from now on; 0 calls nothing.
func (h *statementHook) at(n int, do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left, h.do = n, do
}

func (h *statementHook) observe(cassandra.Observation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.left--; h.left == 0 {
		h.do()
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) {
	if n, err := f(p); n > 0 || err != nil {
		return n, err
	}
	return 0, io.EOF
}

// P4: a body that breaks off, wherever it does, leaves nothing.
func TestP4BrokenBodyLeavesNothing(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	broken := errors.New("the line is dead")
	for _, size := range []int{0, 100, 1 << 16, 1<<16 + 1, 1 << 19} {
		for _, cause := range []error{broken, io.ErrUnexpectedEOF} {
			text := bytes.Repeat([]byte("x"), size)
			results, err := store.Append(t.Context(), mailbox.To("bob", "eve"), io.MultiReader(bytes.NewReader(text), iotest.ErrReader(cause)))
			require.ErrorIs(t, err, cause)
			require.Nil(t, results)
		}
	}
	storetest.CloseStore(t, store)
	after := storetest.NewStore(t, config)
	requireEmpty(t, cluster, config, after, "bob")
	requireEmpty(t, cluster, config, after, "eve")
}
