package cassandra_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// P1: listeners that fail, hang or panic delay and refuse nothing.
func TestP1ListenersAreNeverInTheWay(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	var heard recorder
	config.OnError = heard.fail
	session := storetest.Connect(t, config)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	released := make(chan struct{})
	store.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { return errFault }))
	store.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { panic("a panic of the test") }))
	store.Listen(mailbox.ListenerFunc(func(ctx context.Context, _ mailbox.Event) error {
		select {
		case <-ctx.Done():
		case <-released:
		}
		return ctx.Err()
	}))
	store.Listen(&heard)

	const user, messages = "anna@example.org", 20
	start := time.Now()
	deliverAndRemoveTwo(t, store, user, messages)
	require.Less(t, time.Since(start), 9*time.Second, "nothing waited for a listener, which has 10 s for each event")

	storetest.Eventually(t, "the listener that works heard everything", func() bool { return len(heard.take()) == messages+1 })
	last := heard.take()[messages]
	require.Equal(t, mailbox.Removed, last.Kind)
	require.Len(t, last.Messages, 2)
	storetest.Eventually(t, "the failure is reported", func() bool { return strings.Contains(heard.errors(), errFault.Error()) })
	storetest.Eventually(t, "the panic is reported", func() bool { return strings.Contains(heard.errors(), "a panic of the test") })

	// Close is bounded by its context, even if a listener hangs.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start = time.Now()
	require.ErrorIs(t, store.Close(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 5*time.Second)
	close(released)
	storetest.CloseStore(t, store)
}

// deliverAndRemoveTwo delivers messages, removes the first two, and checks what
// is listed.
func deliverAndRemoveTwo(t *testing.T, store *cassandra.Store, user string, messages int) {
	t.Helper()
	var bodies []string
	for i := range messages {
		bodies = append(bodies, storetest.Body(i))
		storetest.Deliver(t, store, user, bodies[i])
	}
	storetest.Holds(t, store, user, bodies...)
	require.NoError(t, deleteFirstTwo(t, store, user))
	storetest.Holds(t, store, user, bodies[2:]...)
}

// recorder is a listener that keeps the events, and the errors that the store
// reports.
type recorder struct {
	mu     sync.Mutex
	events []mailbox.Event
	failed []error
}

// MailboxChanged implements [mailbox.Listener].
func (r *recorder) MailboxChanged(_ context.Context, event mailbox.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
	return nil
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, err)
}

func (r *recorder) take() []mailbox.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// errors returns the text of all errors that were reported.
func (r *recorder) errors() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.failed)
}
