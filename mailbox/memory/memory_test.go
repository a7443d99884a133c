package memory_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ mailbox.Store       = (*memory.Store)(nil)
	_ mailbox.Appender    = (*memory.Store)(nil)
	_ mailbox.EventSource = (*memory.Store)(nil)
)

func deliver(t testing.TB, store *memory.Store, user, body string) mailbox.Message {
	t.Helper()
	message, err := mailbox.Deliver(t.Context(), store, mailbox.To(user), strings.NewReader(body))
	require.NoError(t, err)
	return message
}

// refused is the error of a delivery to one user.
func refused(t testing.TB, store *memory.Store, user, body string) error {
	t.Helper()
	message, err := mailbox.Deliver(t.Context(), store, mailbox.To(user), strings.NewReader(body))
	require.Error(t, err)
	require.Zero(t, message)
	return err
}

func open(t testing.TB, store *memory.Store, user string) mailbox.Mailbox {
	t.Helper()
	box, err := store.Open(t.Context(), mailbox.Login{User: user})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

func ids(t testing.TB, box mailbox.Mailbox) []string {
	t.Helper()
	messages, err := mailbox.List(t.Context(), box)
	require.NoError(t, err)
	var ids []string
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

func content(t testing.TB, box mailbox.Mailbox, id string) string {
	t.Helper()
	octets, err := mailbox.ReadMessage(t.Context(), box, id) // raw: the body says that it is canonical
	require.NoError(t, err)
	return string(octets)
}

func TestIDsAreTheSameInEveryRun(t *testing.T) {
	var store memory.Store
	for range 3 {
		deliver(t, &store, "bob", "Subject: hello\r\n\r\n")
	}
	require.Equal(t, []string{"m1", "m2", "m3"}, ids(t, open(t, &store, "bob")))
}

func TestIDPrefixTellsRunsApart(t *testing.T) {
	store := &memory.Store{IDPrefix: "run2-"}
	require.Equal(t, "run2-1", deliver(t, store, "bob", "hello\n").ID)
}

func TestAnIDNeverLooksLikeAForeignUIDL(t *testing.T) {
	var store memory.Store
	bob := mailbox.To("bob")
	bob.UIDL = "m2"
	m, err := mailbox.Deliver(t.Context(), &store, bob, strings.NewReader("1"))
	require.NoError(t, err)
	require.Equal(t, "m2", m.UIDL)
	require.NoError(t, open(t, &store, "bob").Delete(t.Context(), []string{"m1"}))

	require.Equal(t, "m3", deliver(t, &store, "bob", "2").ID, "a unique-id is never used again, even after its message was removed")
}

func TestAUniqueIDThatNoMessageShowsAnyMoreIsFree(t *testing.T) {
	for _, uidl := range []string{"uid-1", "m1"} { // a foreign one, and an ID
		var store memory.Store
		bob := mailbox.To("bob")
		if uidl != "m1" {
			bob.UIDL = uidl
		}
		first, err := mailbox.Deliver(t.Context(), &store, bob, strings.NewReader("1"))
		require.NoError(t, err)
		require.Equal(t, uidl, mailbox.UIDL(first))
		bob.UIDL = uidl
		second, err := mailbox.Deliver(t.Context(), &store, bob, strings.NewReader("2"))
		require.NoError(t, err)
		require.Empty(t, second.UIDL, "it is shown")
		require.NoError(t, open(t, &store, "bob").Delete(t.Context(), []string{first.ID}))
		third, err := mailbox.Deliver(t.Context(), &store, bob, strings.NewReader("3"))
		require.NoError(t, err)
		require.Equal(t, uidl, third.UIDL)
	}
}

func TestMaxMessageSizeCountsTheCanonicalFormWithTheHeader(t *testing.T) {
	store := memory.Store{MaxMessageSize: 10}
	require.EqualValues(t, 10, deliver(t, &store, "bob", "12345678").Size, "with its line end")
	require.ErrorIs(t, refused(t, &store, "bob", "123456789"), mailbox.ErrTooLarge)

	results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{
		{User: "bob"}, {User: "eve", Header: "X: 1\n"},
	}}, strings.NewReader("12345"))
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.ErrorIs(t, results[1].Err, mailbox.ErrTooLarge)
	require.Empty(t, ids(t, open(t, &store, "eve")))
}

// zeros is a message of n octets, of which the store adds the last two: one
// line.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n-2) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestMaxMessageSizeIs64MiBUnlessItIsSet(t *testing.T) {
	const limit = 64 << 20
	require.EqualValues(t, limit, mailbox.DefaultMaxMessageSize)
	var store, unlimited memory.Store
	unlimited.MaxMessageSize = -1
	m, err := mailbox.Deliver(t.Context(), &store, mailbox.To("bob"), zeros(limit))
	require.NoError(t, err)
	require.EqualValues(t, limit, m.Size)
	_, err = mailbox.Deliver(t.Context(), &store, mailbox.To("bob"), zeros(limit+1))
	require.ErrorIs(t, err, mailbox.ErrTooLarge)

	m, err = mailbox.Deliver(t.Context(), &unlimited, mailbox.To("bob"), zeros(limit+1))
	require.NoError(t, err, "negative means no limit")
	require.EqualValues(t, limit+1, m.Size)
}

func TestTheLargestLimitIsNone(t *testing.T) {
	store := memory.Store{MaxMessageSize: math.MaxInt64, Quota: math.MaxInt64}
	require.EqualValues(t, 7, deliver(t, &store, "bob", "hello").Size)
}

func TestAPanicOfCanonicalHarmsNoOtherDelivery(t *testing.T) {
	store := memory.Store{Canonical: func(user string) (string, error) {
		if user == "eve" {
			panic("on purpose")
		}
		return user, nil
	}}
	require.Panics(t, func() { deliver(t, &store, "eve", "hello") })
	deliver(t, &store, "bob", "hello")
}

func TestABodyAboveTheLimitIsReadToItsEnd(t *testing.T) {
	store := memory.Store{MaxMessageSize: 10}
	broken := io.MultiReader(strings.NewReader(strings.Repeat("x", 1000)), iotest.ErrReader(errors.New("line broke")))
	_, err := store.Append(t.Context(), mailbox.To("bob"), broken)
	require.ErrorContains(t, err, "line broke")
}

func TestABodyAboveTheLimitIsNotKept(t *testing.T) {
	store := memory.Store{MaxMessageSize: 10}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := mailbox.Deliver(t.Context(), &store, mailbox.To("bob"), zeros(64<<20))
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
}

func TestQuotaIsFreedByRemoving(t *testing.T) {
	store := memory.Store{Quota: 10}
	first := deliver(t, &store, "bob", "123\r\n")
	deliver(t, &store, "bob", "123\r\n")
	deliver(t, &store, "bob", "") // an empty message always fits
	require.ErrorIs(t, refused(t, &store, "bob", "1"), mailbox.ErrOverQuota)
	deliver(t, &store, "eve", "123\r\n") // each mailbox has its own quota

	require.NoError(t, open(t, &store, "bob").Delete(t.Context(), []string{first.ID}))
	deliver(t, &store, "bob", "123\r\n")
}

func TestCanonicalIsTheHosts(t *testing.T) {
	store := memory.Store{Canonical: func(user string) (string, error) {
		name, _, _ := strings.Cut(user, "+")
		return mailbox.CanonicalUser(name)
	}}
	deliver(t, &store, "Bob+lists", "hello")
	require.Len(t, ids(t, open(t, &store, "bob")), 1)
}

func TestADeliveryWithoutRecipientsIsRefused(t *testing.T) {
	var store memory.Store
	results, err := store.Append(t.Context(), mailbox.Delivery{}, strings.NewReader("hello"))
	require.Error(t, err)
	require.Nil(t, results)
}

func TestAListingIsTheMailboxWhenItBegins(t *testing.T) {
	var store memory.Store
	deliver(t, &store, "bob", "1")
	deliver(t, &store, "bob", "2")
	box, other := open(t, &store, "bob"), open(t, &store, "bob")

	var listed []string
	for m, err := range box.Messages(t.Context()) {
		require.NoError(t, err)
		listed = append(listed, m.ID)
		require.NoError(t, other.Delete(t.Context(), []string{"m2"}))
		deliver(t, &store, "bob", "3")
	}
	require.Equal(t, []string{"m1", "m2"}, listed)
	_, err := box.Open(t.Context(), "m2", mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrNotFound)
}

func TestAnOpenReaderOutlivesItsMessage(t *testing.T) {
	var store memory.Store
	deliver(t, &store, "bob", "hello")
	box := open(t, &store, "bob")
	body, err := box.Open(t.Context(), "m1", mailbox.OpenOptions{})
	require.NoError(t, err)
	require.NoError(t, box.Delete(t.Context(), []string{"m1"}))
	octets, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Equal(t, "hello\r\n", string(octets))
	require.NoError(t, body.Close())
}

func TestAMessageIsWrittenInOneCall(t *testing.T) {
	var store memory.Store
	deliver(t, &store, "bob", strings.Repeat("a line\r\n", 100_000))
	body, err := open(t, &store, "bob").Open(t.Context(), "m1", mailbox.OpenOptions{})
	require.NoError(t, err)
	defer body.Close()
	require.Implements(t, (*io.WriterTo)(nil), body)
	require.True(t, body.(mailbox.CanonicalBody).IsCanonical(), "nothing has to look for line ends")

	var calls []int
	n, err := body.(io.WriterTo).WriteTo(writerFunc(func(p []byte) (int, error) {
		calls = append(calls, len(p))
		return len(p), nil
	}))
	require.NoError(t, err)
	require.Equal(t, []int{800_000}, calls)
	require.EqualValues(t, 800_000, n)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A whole POP3 session has a budget of 40 allocations; the store may take a
// handful of them, however much mail there is.
func TestASessionAllocatesAHandful(t *testing.T) {
	var store memory.Store
	for range 1000 {
		deliver(t, &store, "bob@example.org", "hello")
	}
	var copied bytes.Buffer
	allocs := testing.AllocsPerRun(100, func() {
		ctx := context.Background()
		box, err := store.Open(ctx, mailbox.Login{User: "bob@example.org"})
		if err != nil {
			panic(err)
		}
		for _, err := range box.Messages(ctx) {
			if err != nil {
				panic(err)
			}
		}
		body, err := box.Open(ctx, "m500", mailbox.OpenOptions{})
		if err != nil {
			panic(err)
		}
		copied.Reset()
		_, _ = body.(io.WriterTo).WriteTo(&copied)
		_ = body.Close()
		_ = box.Close()
	})
	require.LessOrEqual(t, allocs, 8.0)
	t.Logf("%v allocations", allocs)
}

func TestListenersHearOfDeliveriesAndRemovals(t *testing.T) {
	var store memory.Store
	var heard []mailbox.Event
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		heard = append(heard, event)
		return nil
	}))
	deliver(t, &store, "Bob", "hello")
	box := open(t, &store, "bob")
	require.NoError(t, box.Delete(t.Context(), []string{"m1", "m1", "gone"}))
	require.NoError(t, box.Delete(t.Context(), []string{"m1"}), "removes nothing, so there is no event")
	require.NoError(t, store.Close(t.Context()))

	m1 := []mailbox.Message{{ID: "m1", Size: 7}}
	require.Equal(t, []mailbox.Event{
		{Kind: mailbox.Added, User: "bob", Messages: m1},
		{Kind: mailbox.Removed, User: "bob", Messages: m1},
	}, heard)
}

func TestOnErrorHearsOfListenersThatFail(t *testing.T) {
	var store memory.Store
	var told []error
	store.OnError = func(err error) { told = append(told, err) }
	cause := errors.New("push failed")
	store.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { return cause }))
	m := deliver(t, &store, "Bob", "hello")
	require.NoError(t, store.Close(t.Context()))
	require.Len(t, told, 1)
	require.ErrorIs(t, told[0], cause)
	var failed *mailbox.ListenerError
	require.ErrorAs(t, told[0], &failed)
	require.Equal(t, mailbox.Event{Kind: mailbox.Added, User: "bob", Messages: []mailbox.Message{m}}, failed.Event)
}

func TestAfterCloseEveryCallIsErrClosed(t *testing.T) {
	var store memory.Store
	deliver(t, &store, "bob", "hello")
	box := open(t, &store, "bob")
	require.NoError(t, store.Close(t.Context()))
	require.NoError(t, store.Close(t.Context()), "it may be called again")

	_, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = store.Append(t.Context(), mailbox.To("bob"), strings.NewReader("hello"))
	require.ErrorIs(t, err, mailbox.ErrClosed)
	for _, err := range box.Messages(t.Context()) {
		require.ErrorIs(t, err, mailbox.ErrClosed)
	}
	_, err = box.Open(t.Context(), "m1", mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrClosed)
	for range 2 { // no lock is left behind
		require.ErrorIs(t, box.Delete(t.Context(), []string{"m1"}), mailbox.ErrClosed)
	}
}

func BenchmarkSession(b *testing.B) {
	var store memory.Store
	body := strings.Repeat("a line of mail as long as lines of mail are wont to be\r\n", 100)
	for range 100 {
		deliver(b, &store, "bob", body)
	}
	names := ids(b, open(b, &store, "bob"))
	slices.Reverse(names)
	ctx := b.Context()
	b.SetBytes(int64(len(names) * len(body)))
	b.ReportAllocs()
	for b.Loop() {
		box, _ := store.Open(ctx, mailbox.Login{User: "bob"})
		for range box.Messages(ctx) {
		}
		for _, id := range names {
			body, _ := box.Open(ctx, id, mailbox.OpenOptions{})
			_, _ = io.Copy(io.Discard, body)
			_ = body.Close()
		}
		_ = box.Close()
	}
}
