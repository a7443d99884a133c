package maildir

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

var (
	_ mailbox.Store       = (*Store)(nil)
	_ mailbox.Appender    = (*Store)(nil)
	_ mailbox.EventSource = (*Store)(nil)
	_ mailbox.Mailbox     = (*session)(nil)
)

func TestADeliveryIsListedAndRetrievedInCanonicalForm(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "Bob@Example.org", "Subject: hello\n\nbare\rCR and\r\nboth\n.\nno end")
	const canonical = "Subject: hello\r\n\r\nbare\rCR and\r\nboth\r\n.\r\nno end\r\n"
	require.EqualValues(t, len(canonical), m.Size)

	box := open(t, store, "bob@example.org")
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	require.Equal(t, canonical, read(t, box, m.ID))
	onDisk, err := os.ReadFile(path(store, "bob@example.org", "new", filesIn(t, store, "bob@example.org", "new")[0]))
	require.NoError(t, err)
	require.Equal(t, canonical, string(onDisk), "the canonical form is what is on disk")
	require.Empty(t, filesIn(t, store, "bob@example.org", "tmp"))
}

func TestAnEmptyMessageStaysEmpty(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "")
	require.Zero(t, m.Size)
	require.Empty(t, read(t, open(t, store, "bob"), m.ID))
}

func TestAnIDIsItsOwnUniqueID(t *testing.T) {
	store := newStore(t, Options{})
	store.mint.host = strings.Repeat("long-host-name.", 10)
	m := deliver(t, store, "bob", "hello")
	require.True(t, mailbox.ValidUIDL(m.ID), m.ID)
	require.Equal(t, m.ID, mailbox.UIDL(m))
}

func TestAUserWhoNeverGotMailHasAnEmptyMailboxAndNoDirectory(t *testing.T) {
	store := newStore(t, Options{})
	box := open(t, store, "nobody")
	require.Empty(t, list(t, box))
	_, err := box.Open(t.Context(), "1.M2P3.host", mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.NoError(t, box.Delete(t.Context(), []string{"1.M2P3.host"}))
	files, err := os.ReadDir(store.dir)
	require.NoError(t, err)
	require.Empty(t, files)

	m := deliver(t, store, "nobody", "the first")
	require.Equal(t, "the first\r\n", read(t, box, m.ID), "a session from before the first mail finds it")
}

func TestMailListsInTheOrderOfDeliveryAlthoughTheClockGoesBack(t *testing.T) {
	store := newStore(t, Options{})
	now := time.Now()
	store.mint.now = func() time.Time { now = now.Add(-time.Hour); return now }
	var delivered []string
	for range 20 {
		delivered = append(delivered, deliver(t, store, "bob", "hello").ID)
	}
	require.Equal(t, delivered, ids(listed(t, store, "bob")))
}

func TestOnErrorHearsOfListenersThatFail(t *testing.T) {
	var told []error
	store, err := New(t.TempDir(), Options{OnError: func(err error) { told = append(told, err) }})
	require.NoError(t, err)
	cause := errors.New("push failed")
	store.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { return cause }))
	m := deliver(t, store, "Bob", "hello")
	require.NoError(t, store.Close(t.Context()))
	require.Len(t, told, 1)
	require.ErrorIs(t, told[0], cause)
	var failed *mailbox.ListenerError
	require.ErrorAs(t, told[0], &failed)
	require.Equal(t, mailbox.Event{Kind: mailbox.Added, User: "bob", Messages: []mailbox.Message{m}}, failed.Event)
}

func TestListenersHearOfDeliveriesAndRemovals(t *testing.T) {
	store, err := New(t.TempDir(), Options{})
	require.NoError(t, err)
	var heard []mailbox.Event
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		heard = append(heard, event)
		return nil
	}))
	m := deliver(t, store, "Bob", "hello")
	box := open(t, store, "bob")
	require.NoError(t, box.Delete(t.Context(), []string{m.ID, m.ID, "no.such.message"}))
	require.NoError(t, box.Delete(t.Context(), []string{m.ID}), "removes nothing: no event")
	require.NoError(t, store.Close(t.Context()))
	require.Equal(t, []mailbox.Event{
		{Kind: mailbox.Added, User: "bob", Messages: []mailbox.Message{m}},
		{Kind: mailbox.Removed, User: "bob", Messages: []mailbox.Message{m}},
	}, heard)
}

func TestAfterCloseEveryCallIsErrClosed(t *testing.T) {
	store, err := New(t.TempDir(), Options{})
	require.NoError(t, err)
	m := deliver(t, store, "bob", "hello")
	box := open(t, store, "bob")
	require.NoError(t, store.Close(t.Context()))
	require.NoError(t, store.Close(t.Context()), "it may be called again")

	_, err = store.Open(t.Context(), mailbox.Login{User: "bob"})
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = store.Append(t.Context(), mailbox.To("bob"), strings.NewReader("hello"))
	require.ErrorIs(t, err, mailbox.ErrClosed)
	for _, err := range box.Messages(t.Context()) {
		require.ErrorIs(t, err, mailbox.ErrClosed)
	}
	_, err = box.Open(t.Context(), m.ID, mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrClosed)
	require.ErrorIs(t, box.Delete(t.Context(), []string{m.ID}), mailbox.ErrClosed)
}

func TestCloseWaitsForDeliveries(t *testing.T) {
	store, err := New(t.TempDir(), Options{})
	require.NoError(t, err)
	reader, writer := io.Pipe()
	results := make(chan []mailbox.Result, 1)
	go func() {
		r, _ := store.Append(context.Background(), mailbox.To("bob"), reader)
		results <- r
	}()
	_, err = writer.Write([]byte("hello\n"))
	require.NoError(t, err)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, store.Close(ended), context.Canceled)
	require.NoError(t, writer.Close())
	require.NoError(t, (<-results)[0].Err, "what had begun comes to its end")
	require.NoError(t, store.Close(t.Context()))
}

func TestCloseReturnsAfterTheCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := New(t.TempDir(), Options{})
		require.NoError(t, err)
		reader, writer := io.Pipe()
		go func() { _, _ = store.Append(t.Context(), mailbox.To("bob"), reader) }()
		_, err = writer.Write([]byte("hello\n"))
		require.NoError(t, err)
		closed := make(chan error, 1)
		go func() { closed <- store.Close(context.Background()) }()
		synctest.Wait()
		require.Empty(t, closed)
		require.NoError(t, writer.Close())
		require.NoError(t, <-closed)
	})
}

func TestAListingMayStopEarlyAndEndsWithItsContext(t *testing.T) {
	store := newStore(t, Options{})
	first := deliver(t, store, "bob", "1")
	deliver(t, store, "bob", "2")
	box := open(t, store, "bob")
	for m, err := range box.Messages(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, first, m)
		break
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range box.Messages(ended) {
		require.ErrorIs(t, err, context.Canceled)
		n++
	}
	require.Equal(t, 1, n)
}

// A directory that is quiet is read without waiting for anything.
func TestAListingOfAQuietMailboxEndsWithItsContext(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,S", "hello")
	hourAgo := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path(store, "bob", "cur"), hourAgo, hourAgo))
	ctx, cancel := context.WithCancel(t.Context())
	store.fault = func(now step) error {
		if now == stepList {
			cancel()
		}
		return nil
	}
	_, err := mailbox.List(ctx, open(t, store, "bob"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestNewRefusesAFileAndMakesDirectories(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	_, err := New(filepath.Join(dir, "file"), Options{})
	require.ErrorContains(t, err, "it is a file")
	_, err = New(filepath.Join(dir, "file", "below"), Options{})
	require.Error(t, err)
	store := newStoreIn(t, filepath.Join(dir, "a", "b", "c"), Options{})
	deliver(t, store, "bob", "hello")
}
