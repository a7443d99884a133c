package maildir

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func deliverUIDL(t testing.TB, store *Store, user, uidl string) mailbox.Message {
	t.Helper()
	delivery := mailbox.To(user)
	delivery.UIDL = uidl
	message, err := mailbox.Deliver(t.Context(), store, delivery, strings.NewReader("hello"))
	require.NoError(t, err)
	return message
}

func TestAForeignUIDLIsKeptForLife(t *testing.T) {
	store := newStore(t, Options{})
	m := deliverUIDL(t, store, "bob", "a/b:c,d=%e")
	require.Equal(t, "a/b:c,d=%e", m.UIDL)
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob"))

	name := filesIn(t, store, "bob", "new")[0]
	require.NoError(t, os.Rename(path(store, "bob", "new", name), path(store, "bob", "cur", name+":2,FS")))
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob"))
	again := newStoreIn(t, store.dir, Options{})
	require.Equal(t, []mailbox.Message{m}, listed(t, again, "bob"), "after a restart")
}

func TestAnIllegalForeignUIDLIsReplaced(t *testing.T) {
	store := newStore(t, Options{})
	for _, illegal := range []string{"with space", strings.Repeat("x", 71), "\x00\n"} {
		require.Equal(t, mailbox.SafeUIDL(illegal), deliverUIDL(t, store, "bob", illegal).UIDL)
	}
}

func TestAForeignUIDLThatIsShownAlreadyIsDropped(t *testing.T) {
	store := newStore(t, Options{})
	plain := deliver(t, store, "bob", "hello")
	require.Empty(t, deliverUIDL(t, store, "bob", plain.ID).UIDL, "an ID is shown too")
	first := deliverUIDL(t, store, "bob", "uid-1")
	require.Equal(t, "uid-1", first.UIDL)
	require.Empty(t, deliverUIDL(t, store, "bob", "uid-1").UIDL)
	require.Equal(t, "uid-1", deliverUIDL(t, store, "alice", "uid-1").UIDL, "another mailbox")

	delivery := mailbox.To("carol", "carol")
	delivery.UIDL = "uid-2"
	results := appendTo(t, store, delivery, "hello")
	require.Equal(t, "uid-2", results[0].UIDL)
	require.Empty(t, results[1].UIDL)

	require.NoError(t, open(t, store, "bob").Delete(t.Context(), []string{first.ID}))
	require.Equal(t, "uid-1", deliverUIDL(t, store, "bob", "uid-1").UIDL, "no live message shows it any more")
}

func TestOfManyDeliveriesAtOnceOneGetsTheForeignUIDL(t *testing.T) {
	store := newStore(t, Options{})
	other := newStoreIn(t, store.dir, Options{})
	var group sync.WaitGroup
	for range 10 {
		for _, s := range []*Store{store, other} {
			group.Go(func() {
				delivery := mailbox.To("bob")
				delivery.UIDL = "uid-1"
				if _, err := mailbox.Deliver(t.Context(), s, delivery, strings.NewReader("hello")); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	shown := map[string]int{}
	for _, m := range listed(t, store, "bob") {
		shown[mailbox.UIDL(m)]++
	}
	require.Len(t, shown, 20)
	require.Equal(t, 1, shown["uid-1"])
}

func TestWaitingForTheLockEndsWithItsContext(t *testing.T) {
	store := newStore(t, Options{})
	deliver(t, store, "bob", "hello")
	home, err := store.root.OpenRoot("bob")
	require.NoError(t, err)
	defer home.Close()
	unlock, err := store.locker.lock(t.Context(), home)
	require.NoError(t, err)

	hourAgo := time.Now().Add(-time.Hour) // so that nothing else is waited for
	require.NoError(t, os.Chtimes(path(store, "bob", "cur"), hourAgo, hourAgo))
	ctx, cancel := context.WithCancel(t.Context())
	store.fault = func(now step) error {
		if now == stepSynced {
			time.AfterFunc(5*time.Millisecond, cancel)
		}
		return nil
	}
	delivery := mailbox.To("bob")
	delivery.UIDL = "uid-1"
	_, err = mailbox.Deliver(ctx, store, delivery, strings.NewReader("hello"))
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, listed(t, store, "bob"), 1)
	require.Empty(t, filesIn(t, store, "bob", "tmp"))

	store.fault = nil
	unlock()
	require.Equal(t, "uid-1", deliverUIDL(t, store, "bob", "uid-1").UIDL)
}
