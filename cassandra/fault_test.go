package cassandra_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// errFault is what goes wrong on purpose.
var errFault = errors.New("a fault of the test")

// faultyIndex is an index that a test hurts: the hooks run in place of a call
// and may go on with it. nil goes on at once.
type faultyIndex struct {
	cassandra.Index

	mu      sync.Mutex
	added   func(ctx context.Context, m cassandra.MailboxID, goOn func() error) error
	restore func(ctx context.Context, goOn func() error) error
	removed func(ctx context.Context, goOn func() error) error
}

// hurt sets what the calls do from now on.
func (f *faultyIndex) hurt(added func(ctx context.Context, m cassandra.MailboxID, goOn func() error) error, removed func(ctx context.Context, goOn func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.added, f.removed = added, removed
}

func (f *faultyIndex) heal() { f.hurt(nil, nil) }

func (f *faultyIndex) Added(ctx context.Context, m cassandra.MailboxID, e cassandra.Entry) error {
	f.mu.Lock()
	hook := f.added
	f.mu.Unlock()
	goOn := func() error { return f.Index.Added(ctx, m, e) }
	if hook == nil {
		return goOn()
	}
	return hook(ctx, m, goOn)
}

func (f *faultyIndex) Restore(ctx context.Context, m cassandra.MailboxID, e cassandra.Entry) error {
	f.mu.Lock()
	hook := f.restore
	f.mu.Unlock()
	goOn := func() error { return f.Index.Restore(ctx, m, e) }
	if hook == nil {
		return goOn()
	}
	return hook(ctx, goOn)
}

func (f *faultyIndex) Removed(ctx context.Context, m cassandra.MailboxID, ids []cassandra.MessageID) error {
	f.mu.Lock()
	hook := f.removed
	f.mu.Unlock()
	goOn := func() error { return f.Index.Removed(ctx, m, ids) }
	if hook == nil {
		return goOn()
	}
	return hook(ctx, goOn)
}

// newFaultyStore makes a store with an index that can be hurt.
func newFaultyStore(t testing.TB, config cassandra.Config) (*cassandra.Store, *faultyIndex) {
	t.Helper()
	session := storetest.Connect(t, config)
	index := &faultyIndex{Index: projection.New(session)}
	store, err := cassandra.NewStore(session, index)
	require.NoError(t, err)
	t.Cleanup(func() {
		index.heal()
		storetest.CloseStore(t, store)
	})
	return store, index
}

// bucketNow is the bucket of what is delivered now. A test that begins in one
// bucket and ends in another, once in 30 days, fails.
func bucketNow(_ testing.TB, store *cassandra.Store) int64 {
	return store.Session().Bucket(cassandra.MessageID(gocql.UUIDFromTime(time.Now())))
}

// An index that fails: the sender gets a temporary error, nothing of the attempt
// is listed, and the sender's retry is listed exactly once.
func TestP1AnIndexThatFails(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 32 << 10
	tables := storetest.TablesOf(t, cluster, config)
	store, index := newFaultyStore(t, config)

	once := func() func(ctx context.Context, goOn func() error) error {
		failed := false
		return func(_ context.Context, goOn func() error) error {
			if !failed {
				failed = true
				return errFault
			}
			return goOn()
		}
	}
	type hook = func(context.Context, cassandra.MailboxID, func() error) error
	added := func(f func(ctx context.Context, goOn func() error) error) hook {
		return func(ctx context.Context, _ cassandra.MailboxID, goOn func() error) error { return f(ctx, goOn) }
	}
	refuse := func(context.Context, func() error) error { return errFault }
	writeAndFail := func(_ context.Context, goOn func() error) error { return errors.Join(goOn(), errFault) }
	hang := func(ctx context.Context, _ func() error) error { <-ctx.Done(); return ctx.Err() }

	for _, test := range []struct {
		name    string
		added   hook
		removed func(ctx context.Context, goOn func() error) error
		patient time.Duration // how long the sender waits
	}{
		{name: "it refuses", added: added(refuse)},
		{name: "it lists and says that it failed", added: added(writeAndFail)},
		{name: "it hangs", added: added(hang), patient: 300 * time.Millisecond},
		{name: "it fails once", added: added(once())},
		{name: "it fails and does not take back", added: added(writeAndFail), removed: refuse},
		{name: "it fails and takes back at the second time", added: added(writeAndFail), removed: once()},
	} {
		for size, message := range map[string]string{"small": storetest.Body(7), "chunked": storetest.BigBody(7, 200<<10)} {
			t.Run(test.name+"/"+size, func(t *testing.T) {
				user := fmt.Sprintf("%s-%s@example.org", strings.ReplaceAll(test.name, " ", "-"), size)
				contents := tables.Contents()
				ctx := t.Context()
				if test.patient > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.patient)
					defer cancel()
				}
				index.hurt(test.added, test.removed)
				m, err := storetest.TryDeliver(ctx, store, user, message)
				index.heal()
				if err == nil { // it was tried again behind the sender's back: as good
					require.Equal(t, "it fails once", test.name)
				} else {
					require.ErrorIs(t, err, mailbox.ErrTemporary)
					require.Empty(t, m.ID)
					storetest.Eventually(t, "nothing of the attempt is listed, or left", func() bool {
						return len(storetest.List(t, store, user)) == 0 &&
							tables.Members(store, user, bucketNow(t, store)) == 0 && tables.Contents() == contents
					})
					storetest.Deliver(t, store, user, message)
				}
				storetest.Holds(t, store, user, message)
				storetest.Consistent(t, config, user)
			})
		}
	}
}

// Listeners that fail, hang or panic are in nobody's way.
func TestP1ListenersAreNeverInTheWay(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var mu sync.Mutex
	var told []error
	config.OnError = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err)
	}
	hears := func(text string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return strings.Contains(errors.Join(told...).Error(), text)
		}
	}
	session := storetest.Connect(t, config)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)

	var heard []mailbox.Event
	store.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { return errFault }))
	store.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { panic("a panic of the test") }))
	released := make(chan struct{})
	store.Listen(mailbox.ListenerFunc(func(ctx context.Context, _ mailbox.Event) error {
		select {
		case <-ctx.Done():
		case <-released:
		}
		return ctx.Err()
	}))
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, event)
		return nil
	}))

	const user, messages = "anna@example.org", 20
	var bodies []string
	start := time.Now()
	for i := range messages {
		bodies = append(bodies, storetest.Body(i))
		storetest.Deliver(t, store, user, bodies[i])
	}
	storetest.Holds(t, store, user, bodies...)
	mb := storetest.Open(t, store, user)
	listed, err := storetest.TryList(t.Context(), mb)
	require.NoError(t, err)
	require.NoError(t, mb.Delete(t.Context(), []string{listed[0].ID, listed[1].ID}))
	storetest.Holds(t, store, user, bodies[2:]...)
	require.Less(t, time.Since(start), 9*time.Second, "nobody waited for a listener, which has 10 s for each event")

	storetest.Eventually(t, "the one that works heard everything", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(heard) == messages+1
	})
	require.Equal(t, mailbox.Removed, heard[messages].Kind)
	require.Len(t, heard[messages].Messages, 2)
	storetest.Eventually(t, "the failure is told", hears(errFault.Error()))
	storetest.Eventually(t, "the panic is told", hears("a panic of the test"))

	// Close is bounded by its context, whoever hangs.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start = time.Now()
	require.ErrorIs(t, store.Close(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 5*time.Second)
	close(released)
	storetest.CloseStore(t, store)
}

// Of several recipients each has a fate of its own.
func TestP1TwoRecipientsOfWhichOneFails(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize, config.MaxMessageSize = 32<<10, 200<<10
	store, index := newFaultyStore(t, config)
	const good, bad, long = "good@example.org", "bad@example.org", "long@example.org"
	badID, _, err := store.Mailbox(bad)
	require.NoError(t, err)
	index.hurt(func(_ context.Context, m cassandra.MailboxID, goOn func() error) error {
		if m == badID {
			return errFault
		}
		return goOn()
	}, nil)

	small, big := storetest.Body(1), storetest.BigBody(1, 190<<10)
	padding := "X-Padding: " + strings.Repeat("x", 20<<10) + "\r\n"
	for _, message := range []string{small, big} {
		results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{
			{User: good}, {User: bad}, {User: "nobody\x00"}, {User: long, Header: padding},
		}}, strings.NewReader(message))
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.ErrorIs(t, results[1].Err, mailbox.ErrTemporary)
		require.ErrorIs(t, results[2].Err, mailbox.ErrNoSuchUser)
		if message == small {
			require.NoError(t, results[3].Err)
		} else { // with its own header it is too large, which is final
			require.ErrorIs(t, results[3].Err, mailbox.ErrTooLarge)
			require.NotErrorIs(t, results[3].Err, mailbox.ErrTemporary)
		}
	}
	storetest.Holds(t, store, good, small, big)
	storetest.Holds(t, store, bad)
	storetest.Holds(t, store, long, padding+small)
	index.heal()
	storetest.Deliver(t, store, bad, big)
	storetest.Holds(t, store, bad, big)
	storetest.Consistent(t, config, good, bad, long)
}

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

// When the queue of purges is full, QUIT waits, and works; Close drains.
func TestP3CloseDrainsTheQueueOfPurges(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.PurgeQueue, config.PurgeWorkers = 1, 1
	tables := storetest.TablesOf(t, cluster, config)
	session := storetest.Connect(t, config)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	var mu sync.Mutex
	heard := 0
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		mu.Lock()
		defer mu.Unlock()
		heard += len(event.Messages)
		return nil
	}))

	const users, each = 4, 350
	var group sync.WaitGroup
	for u := range users {
		group.Go(func() {
			for i := range each {
				_, err := storetest.TryDeliver(t.Context(), store, fmt.Sprintf("u%d@example.org", u), storetest.Body(i))
				assert.NoError(t, err)
			}
		})
	}
	group.Wait()
	for u := range users {
		group.Go(func() {
			mb, err := store.Open(t.Context(), mailbox.Login{User: fmt.Sprintf("u%d@example.org", u)})
			assert.NoError(t, err)
			listed, err := storetest.TryList(t.Context(), mb)
			assert.NoError(t, err)
			ids := make([]string, len(listed))
			for i, m := range listed {
				ids[i] = m.ID
			}
			assert.Len(t, ids, each)
			assert.NoError(t, mb.Delete(t.Context(), ids[1:]))
		})
	}
	group.Wait()
	storetest.CloseStore(t, store)
	require.Equal(t, users, tables.Contents(), "the content of what was removed is purged when Close returns")
	require.Equal(t, users*each+users*(each-1), heard, "the listeners heard of everything when Close returns")
	again := storetest.NewStore(t, config)
	for u := range users {
		user := fmt.Sprintf("u%d@example.org", u)
		storetest.Holds(t, again, user, storetest.Body(0))
		require.Equal(t, 1, tables.Members(again, user, bucketNow(t, again)))
	}
	_, err = storetest.TryDeliver(t.Context(), store, "u0@example.org", storetest.Body(0))
	require.ErrorIs(t, err, mailbox.ErrClosed)
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

// A QUIT whose index fails is -ERR, and each message is wholly there; then the
// repair behind the sessions finishes what the mark began, at the latest after
// the next session has begun (P4).
func TestP4QuitWithAnIndexThatFails(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	for _, test := range []struct {
		name   string
		fails  int // calls of Removed
		failed bool
	}{
		{"once", 1, false},
		{"twice", 2, true},
		{"until the next session", 1 << 30, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, index := newFaultyStore(t, config)
			user := strings.ReplaceAll(test.name, " ", "-") + "@example.org"
			var bodies []string
			for i := range 5 {
				bodies = append(bodies, storetest.Body(i))
				storetest.Deliver(t, store, user, bodies[i])
			}
			mb := storetest.Open(t, store, user)
			listed, err := storetest.TryList(t.Context(), mb)
			require.NoError(t, err)
			var mu sync.Mutex
			calls := 0
			index.hurt(nil, func(_ context.Context, goOn func() error) error {
				mu.Lock()
				defer mu.Unlock()
				if calls++; calls <= test.fails {
					return errFault
				}
				return goOn()
			})
			err = mb.Delete(t.Context(), []string{listed[0].ID, listed[1].ID})
			if !test.failed {
				require.NoError(t, err)
				index.heal()
				storetest.Holds(t, store, user, bodies[2:]...)
				return
			}
			var failure *mailbox.DeleteError
			require.ErrorAs(t, err, &failure)
			require.ErrorIs(t, err, mailbox.ErrTemporary)
			require.Len(t, failure.Failed, 2)
			if test.fails > 2 {
				storetest.Holds(t, store, user, bodies...) // wholly there
				storetest.Eventually(t, "a first repair fails as well", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return calls >= 4
				})
			}
			index.heal()
			storetest.Eventually(t, "the repair behind the sessions finishes the removal", func() bool {
				storetest.Open(t, store, user) // the next session: it asks where the first repair has failed
				return tables.Members(store, user, bucketNow(t, store)) == 3 && tables.Entries(store, user, bucketNow(t, store)) == 3
			})
			storetest.Holds(t, store, user, bodies[2:]...)
			storetest.Consistent(t, config, user)
		})
	}
}

// What is written to a reader is what was delivered, also by WriteTo.
func TestP2ReadAndWriteToAgree(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 16 << 10
	store := storetest.NewStore(t, config)
	message := storetest.BigBody(3, 300<<10)
	m := storetest.Deliver(t, store, "anna@example.org", message)
	mb := storetest.Open(t, store, "anna@example.org")
	reader, err := mb.Open(t.Context(), m.ID, mailbox.OpenOptions{})
	require.NoError(t, err)
	start := make([]byte, 1000)
	_, err = io.ReadFull(reader, start)
	require.NoError(t, err)
	var rest bytes.Buffer
	_, err = reader.(io.WriterTo).WriteTo(&rest)
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	require.Equal(t, message, string(start)+rest.String())
}
