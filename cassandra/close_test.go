package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// Close in the middle of deliveries, listings, retrievals and removals, with time
// to wait or without: what was acknowledged is there, what was removed is not, and
// what comes too late hears that the store is closed.
func TestP1CloseInTheMiddleOfEverything(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.PurgeQueue = 2
	for round, patient := range []bool{true, false, true, false} {
		store := storetest.NewStore(t, config)
		user := fmt.Sprintf("round-%d@example.org", round)
		var mu sync.Mutex
		var delivered, removed []string
		begun := make(chan struct{}, 100)
		var group sync.WaitGroup
		for worker := range 6 {
			group.Go(func() {
				for n := 0; ; n++ {
					text := storetest.Body(n)
					if worker == 0 {
						text = storetest.BigBody(uint64(n), 300<<10)
					}
					m, err := storetest.TryDeliver(t.Context(), store, user, text)
					if errors.Is(err, mailbox.ErrClosed) {
						return
					}
					if !assert.NoError(t, err) {
						return
					}
					mu.Lock()
					delivered = append(delivered, m.ID)
					mu.Unlock()
					select {
					case begun <- struct{}{}:
					default:
					}
					mb, err := store.Open(t.Context(), mailbox.Login{User: user})
					if err != nil {
						assert.ErrorIs(t, err, mailbox.ErrClosed)
						return
					}
					if _, err = storetest.TryList(t.Context(), mb); err == nil {
						var got string
						if got, err = storetest.Read(t.Context(), mb, m.ID); err == nil {
							assert.Equal(t, text, got)
						}
					}
					if err == nil && n%2 == 0 {
						if err = mb.Delete(t.Context(), []string{m.ID}); err == nil {
							mu.Lock()
							removed = append(removed, m.ID)
							mu.Unlock()
						}
					}
					if err != nil {
						assert.ErrorIs(t, err, mailbox.ErrClosed)
					}
				}
			})
		}
		for range 30 {
			<-begun
		}
		if patient {
			storetest.CloseStore(t, store)
		} else {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := store.Close(ctx); err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
		}
		group.Wait()

		later := storetest.NewStore(t, config)
		require.NotEmpty(t, removed)
		var want []string
		for _, id := range delivered {
			if !slices.Contains(removed, id) {
				want = append(want, id)
			}
		}
		require.ElementsMatch(t, want, storetest.ListIDs(t, later, user))
		if !patient { // what was not purged is left to a repair
			report, err := later.Repair(t.Context(), user, cassandra.RepairOptions{})
			require.NoError(t, err)
			for _, f := range report.Findings {
				require.Equal(t, cassandra.NotRemoved, f.Kind)
			}
		}
		storetest.Consistent(t, config, user)
	}
}

// Close ends when its context does, whatever hangs, and what it left undone is
// found by repair.
func TestP3CloseIsBoundedByItsContext(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.PurgeQueue, config.PurgeWorkers = 1, 1
	session := storetest.Connect(t, config)
	index := &faultyIndex{Index: projection.New(session)}
	store, err := cassandra.NewStore(session, index)
	require.NoError(t, err)

	// The first removal of an attempt that failed is refused, so that it is left
	// to the purger; there it hangs until somebody ends it. One hangs in the
	// worker, one waits in the queue, and the third in its own delivery.
	hanging := make(chan struct{}, 10)
	writeAndFail := func(_ context.Context, _ cassandra.MailboxID, goOn func() error) error {
		return errors.Join(goOn(), errFault)
	}
	index.hurt(writeAndFail, func(ctx context.Context, _ func() error) error {
		if _, undoing := ctx.Deadline(); undoing {
			return errFault
		}
		hanging <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			_, err := storetest.TryDeliver(t.Context(), store, "anna@example.org", storetest.Body(i))
			assert.ErrorIs(t, err, mailbox.ErrTemporary)
		})
	}
	<-hanging
	<-hanging
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	require.ErrorIs(t, store.Close(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 5*time.Second)
	group.Wait()

	index.heal()
	again := storetest.NewStore(t, storetest.Later(config))
	report, err := again.Repair(t.Context(), "anna@example.org", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 3)
	require.Equal(t, 3, report.Mended())
	storetest.Holds(t, again, "anna@example.org")
	storetest.Consistent(t, config, "anna@example.org")
}

// What comes after Close is an error that says so; Close may come again.
func TestCallsAfterTheStoreIsClosed(t *testing.T) {
	t.Parallel()
	store := storetest.NewStore(t, newKeyspace(t, 0))
	m := storetest.Deliver(t, store, "bob", storetest.Body(1))
	mb := storetest.Open(t, store, "bob")
	storetest.CloseStore(t, store)
	storetest.CloseStore(t, store)
	_, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = storetest.TryDeliver(t.Context(), store, "bob", storetest.Body(2))
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = storetest.TryList(t.Context(), mb)
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = mb.Open(t.Context(), m.ID, mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrClosed)
	require.ErrorIs(t, mb.Delete(t.Context(), []string{m.ID}), mailbox.ErrClosed)
}

// A session that was closed too early: temporary errors, no panics.
func TestCallsAfterTheSessionIsClosed(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t, 0)
	session, err := cassandra.Connect(t.Context(), config)
	require.NoError(t, err)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	m := storetest.Deliver(t, store, "bob", storetest.Body(1))
	mb := storetest.Open(t, store, "bob")
	session.Close()
	session.Close()
	_, err = storetest.TryDeliver(t.Context(), store, "bob", storetest.Body(2))
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	_, err = storetest.TryList(t.Context(), mb)
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	_, err = mb.Open(t.Context(), m.ID, mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	var failed *mailbox.DeleteError
	require.ErrorAs(t, mb.Delete(t.Context(), []string{m.ID}), &failed)
	require.Equal(t, []string{m.ID}, keys(failed.Failed))
	_, err = store.Verify(t.Context(), "bob")
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	storetest.CloseStore(t, store)
	require.Equal(t, []string{m.ID}, storetest.ListIDs(t, storetest.NewStore(t, config), "bob"))
}

func keys[V any](m map[string]V) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}
