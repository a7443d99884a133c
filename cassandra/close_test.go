package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// P1, P3: Close is called in the middle of deliveries, listings, retrievals and
// removals, with time to wait or without. What was acknowledged is there, what
// was removed is not, and later calls return ErrClosed.
func TestP1CloseInTheMiddleOfEverything(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.PurgeQueue = 2
	for round, patient := range []bool{true, false, true, false} {
		store := storetest.NewStore(t, config)
		work := &busyMailbox{user: fmt.Sprintf("round-%d@example.org", round), begun: make(chan struct{}, 100)}
		var group sync.WaitGroup
		for worker := range 6 {
			group.Go(func() { work.run(t, store, worker == 0) })
		}
		for range 30 {
			<-work.begun
		}
		if patient {
			storetest.CloseStore(t, store)
		} else if err := store.Close(ended(t)); err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		group.Wait()
		work.check(t, config, patient)
	}
}

// busyMailbox is a mailbox that several goroutines use until its store is
// closed.
type busyMailbox struct {
	user  string
	begun chan struct{} // a value for each delivery

	mu                 sync.Mutex
	delivered, removed []string
}

// run delivers, lists, reads and removes, until the store is closed.
func (b *busyMailbox) run(t *testing.T, store *cassandra.Store, large bool) {
	for n := 0; ; n++ {
		text := storetest.Body(n)
		if large {
			text = storetest.BigBody(uint64(n), 300<<10)
		}
		m, err := storetest.TryDeliver(t.Context(), store, b.user, text)
		if errors.Is(err, mailbox.ErrClosed) {
			return
		}
		if !assert.NoError(t, err) {
			return
		}
		b.note(&b.delivered, m.ID)
		select {
		case b.begun <- struct{}{}:
		default:
		}
		if err := b.readAndRemove(t, store, m.ID, text, n%2 == 0); err != nil {
			assert.ErrorIs(t, err, mailbox.ErrClosed)
		}
	}
}

// readAndRemove reads a message in a session of its own and, if remove is set,
// removes it.
func (b *busyMailbox) readAndRemove(t *testing.T, store *cassandra.Store, id, text string, remove bool) error {
	mb, err := store.Open(t.Context(), mailbox.Login{User: b.user})
	if err != nil {
		return err
	}
	if _, err := mailbox.List(t.Context(), mb); err != nil {
		return err
	}
	got, err := storetest.Read(t.Context(), mb, id)
	if err != nil {
		return err
	}
	assert.Equal(t, text, got)
	if !remove {
		return nil
	}
	if err := mb.Delete(t.Context(), []string{id}); err != nil {
		return err
	}
	b.note(&b.removed, id)
	return nil
}

func (b *busyMailbox) note(list *[]string, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*list = append(*list, id)
}

// check compares what a later store lists with what the calls returned.
func (b *busyMailbox) check(t *testing.T, config cassandra.Config, purged bool) {
	later := storetest.NewStore(t, config)
	require.NotEmpty(t, b.removed)
	want := slices.DeleteFunc(slices.Clone(b.delivered), func(id string) bool { return slices.Contains(b.removed, id) })
	require.ElementsMatch(t, want, storetest.ListIDs(t, later, b.user))
	if !purged { // a repair does what Close left undone
		report, err := later.Repair(t.Context(), b.user, cassandra.RepairOptions{})
		require.NoError(t, err)
		for _, f := range report.Findings {
			require.Equal(t, cassandra.NotRemoved, f.Kind)
		}
	}
	storetest.Consistent(t, config, b.user)
}

// P3: Close returns when its context ends, even if everything hangs, and a
// repair finishes what had begun.
func TestP3CloseIsBoundedByItsContext(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.PurgeQueue, config.PurgeWorkers = 1, 1
	session := storetest.Connect(t, config)
	index := &faultyIndex{Index: projection.New(session)}
	store, err := cassandra.NewStore(session, index)
	require.NoError(t, err)

	// Each delivery fails, and its undoing hangs until its context ends: one is
	// in the worker, one in the queue, and the third is left to repair.
	hanging := make(chan struct{}, 10)
	writeAndFail := func(_ context.Context, _ cassandra.MailboxID, goOn func() error) error {
		return errors.Join(goOn(), errFault)
	}
	index.hurt(writeAndFail, func(ctx context.Context, _ func() error) error {
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
	group.Wait()
	<-hanging
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	require.ErrorIs(t, store.Close(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 5*time.Second)

	index.heal()
	again := storetest.NewStore(t, storetest.Later(config))
	report, err := again.Repair(t.Context(), "anna@example.org", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Equal(t, 1, report.Mended())
	require.Len(t, storetest.List(t, again, "anna@example.org"), 2, "whole, and at worst second copies of what the senders send again")
	storetest.Consistent(t, config, "anna@example.org")
}

// After Close every call returns ErrClosed; Close itself may be called again.
func TestCallsAfterTheStoreIsClosed(t *testing.T) {
	t.Parallel()
	store := storetest.NewStore(t, newKeyspace(t))
	m := storetest.Deliver(t, store, "bob", storetest.Body(1))
	mb := storetest.Open(t, store, "bob")
	storetest.CloseStore(t, store)
	storetest.CloseStore(t, store)
	_, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = storetest.TryDeliver(t.Context(), store, "bob", storetest.Body(2))
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = mailbox.List(t.Context(), mb)
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = mb.Open(t.Context(), m.ID, mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrClosed)
	require.ErrorIs(t, mb.Delete(t.Context(), []string{m.ID}), mailbox.ErrClosed)
}

// A host that closes the session before the store gets temporary errors, and no
// panics.
func TestCallsAfterTheSessionIsClosed(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t)
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
	_, err = mailbox.List(t.Context(), mb)
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	_, err = mb.Open(t.Context(), m.ID, mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	var failed *mailbox.DeleteError
	require.ErrorAs(t, mb.Delete(t.Context(), []string{m.ID}), &failed)
	require.Equal(t, []string{m.ID}, slices.Collect(maps.Keys(failed.Failed)))
	_, err = store.Verify(t.Context(), "bob")
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	storetest.CloseStore(t, store)
	require.Equal(t, []string{m.ID}, storetest.ListIDs(t, storetest.NewStore(t, config), "bob"))
}
