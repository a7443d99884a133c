package maildir

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
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

func newStore(t testing.TB, options Options) *Store {
	t.Helper()
	return newStoreIn(t, filepath.Join(t.TempDir(), "mail"), options)
}

func newStoreIn(t testing.TB, dir string, options Options) *Store {
	t.Helper()
	store, err := New(dir, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close(context.Background())) })
	return store
}

func to(users ...string) mailbox.Delivery {
	var d mailbox.Delivery
	for _, user := range users {
		d.Recipients = append(d.Recipients, mailbox.Recipient{User: user})
	}
	return d
}

func appendTo(t testing.TB, store *Store, delivery mailbox.Delivery, body string) []mailbox.Result {
	t.Helper()
	results, err := store.Append(t.Context(), delivery, strings.NewReader(body))
	require.NoError(t, err)
	require.Len(t, results, len(delivery.Recipients))
	return results
}

func deliver(t testing.TB, store *Store, user, body string) mailbox.Message {
	t.Helper()
	result := appendTo(t, store, to(user), body)[0]
	require.NoError(t, result.Err)
	return result.Message
}

func open(t testing.TB, store *Store, user string) mailbox.Mailbox {
	t.Helper()
	box, err := store.Open(t.Context(), mailbox.Login{User: user})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

func list(t testing.TB, box mailbox.Mailbox) []mailbox.Message {
	t.Helper()
	var messages []mailbox.Message
	for m, err := range box.Messages(t.Context()) {
		require.NoError(t, err)
		messages = append(messages, m)
	}
	return messages
}

func listed(t testing.TB, store *Store, user string) []mailbox.Message {
	t.Helper()
	box, err := store.Open(t.Context(), mailbox.Login{User: user})
	require.NoError(t, err)
	defer box.Close()
	return list(t, box)
}

func ids(messages []mailbox.Message) []string {
	ids := make([]string, 0, len(messages))
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

func read(t testing.TB, box mailbox.Mailbox, id string) string {
	t.Helper()
	body, err := box.Open(t.Context(), id, mailbox.OpenOptions{})
	require.NoError(t, err)
	defer body.Close()
	octets, err := io.ReadAll(body)
	require.NoError(t, err)
	return string(octets)
}

// filesIn lists a directory of a user's Maildir.
func filesIn(t testing.TB, store *Store, user, place string) []string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(store.dir, userDir(user), place))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
	}
	return names
}

// put writes a file as another program would.
func put(t testing.TB, store *Store, user, place, name, body string) {
	t.Helper()
	home := filepath.Join(store.dir, userDir(user))
	for _, sub := range []string{"tmp", "new", "cur"} {
		require.NoError(t, os.MkdirAll(filepath.Join(home, sub), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(home, place, name), []byte(body), 0o600))
}

func path(store *Store, user string, elements ...string) string {
	return filepath.Join(append([]string{store.dir, userDir(user)}, elements...)...)
}

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

func TestAUserWhoNeverGotMailHasAnEmptyMaildropAndNoDirectory(t *testing.T) {
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

func TestAppendTakesTheBodyOnceForSeveralRecipientsEachWithItsHeader(t *testing.T) {
	store := newStore(t, Options{})
	body := strings.Repeat("a line\n", 50_000)
	delivery := mailbox.Delivery{Recipients: []mailbox.Recipient{
		{User: "a\x00b"},
		{User: "bob", Header: "Delivered-To: bob\n"},
		{User: "alice"},
		{User: "bob", Header: "Delivered-To: bob\r\nX-Second: yes\r\n"},
		{User: ""},
	}}
	results := appendTo(t, store, delivery, body)
	require.ErrorIs(t, results[0].Err, mailbox.ErrNoSuchUser)
	require.ErrorIs(t, results[4].Err, mailbox.ErrNoSuchUser)

	canonical := strings.ReplaceAll(body, "\n", "\r\n")
	bob, alice := open(t, store, "bob"), open(t, store, "alice")
	require.Equal(t, []mailbox.Message{results[1].Message, results[3].Message}, list(t, bob))
	require.Equal(t, []mailbox.Message{results[2].Message}, list(t, alice))
	require.Equal(t, "Delivered-To: bob\r\n"+canonical, read(t, bob, results[1].ID))
	require.Equal(t, "Delivered-To: bob\r\nX-Second: yes\r\n"+canonical, read(t, bob, results[3].ID))
	require.Equal(t, canonical, read(t, alice, results[2].ID))
}

func TestADeliveryWithoutRecipientsIsAnError(t *testing.T) {
	store := newStore(t, Options{})
	results, err := store.Append(t.Context(), mailbox.Delivery{}, strings.NewReader("hello"))
	require.Error(t, err)
	require.Nil(t, results)
}

func TestABodyThatBreaksIsNobodys(t *testing.T) {
	store := newStore(t, Options{})
	broken := errors.New("line broke")
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), iotest.ErrReader(broken))
	results, err := store.Append(t.Context(), to("bob", "alice"), body)
	require.ErrorIs(t, err, broken)
	require.Nil(t, results)
	for _, user := range []string{"bob", "alice"} {
		require.Empty(t, listed(t, store, user))
		require.Empty(t, filesIn(t, store, user, "tmp"))
	}
}

func TestACancelledDeliveryIsNobodys(t *testing.T) {
	store := newStore(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	body := io.MultiReader(strings.NewReader("Subject: hello\n"), readerFunc(func(p []byte) (int, error) {
		cancel()
		p[0] = 'x'
		return 1, nil
	}))
	results, err := store.Append(ctx, to("bob"), body)
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, results)
	require.Empty(t, listed(t, store, "bob"))
	require.Empty(t, filesIn(t, store, "bob", "tmp"))
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestMaxMessageSizeCountsTheCanonicalFormWithTheHeader(t *testing.T) {
	store := newStore(t, Options{MaxMessageSize: 10})
	deliver(t, store, "bob", "12345678")
	require.ErrorIs(t, appendTo(t, store, to("bob"), "123456789")[0].Err, mailbox.ErrTooLarge)

	delivery := mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "eve", Header: "X: 1\n"}, {User: "bob"}}}
	results := appendTo(t, store, delivery, "12345")
	require.ErrorIs(t, results[0].Err, mailbox.ErrTooLarge, "the header counts, and is this recipient's alone")
	require.NoError(t, results[1].Err)
	require.Equal(t, "12345\r\n", read(t, open(t, store, "bob"), results[1].ID))
	require.Empty(t, listed(t, store, "eve"))
	require.Empty(t, filesIn(t, store, "eve", "tmp"))

	broken := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), iotest.ErrReader(errors.New("line broke")))
	_, err := store.Append(t.Context(), to("bob"), broken)
	require.ErrorContains(t, err, "line broke", "a body above the limit is read to its end")

	unlimited := newStore(t, Options{MaxMessageSize: -1})
	require.EqualValues(t, 1<<20+2, deliver(t, unlimited, "bob", strings.Repeat("x", 1<<20)).Size)
}

// zeros is a message of n octets, of which the store adds the last two: one line.
func zeros(n int64) io.Reader {
	return io.LimitReader(readerFunc(func(p []byte) (int, error) { clear(p); return len(p), nil }), n-2)
}

func TestMaxMessageSizeIs64MiBUnlessItIsSet(t *testing.T) {
	const limit = 64 << 20
	require.EqualValues(t, limit, mailbox.DefaultMaxMessageSize)
	store, unlimited := newStore(t, Options{}), newStore(t, Options{MaxMessageSize: -1})
	m, err := mailbox.Deliver(t.Context(), store, mailbox.To("bob"), zeros(limit))
	require.NoError(t, err)
	require.EqualValues(t, limit, m.Size)
	_, err = mailbox.Deliver(t.Context(), store, mailbox.To("bob"), zeros(limit+1))
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob"))

	m, err = mailbox.Deliver(t.Context(), unlimited, mailbox.To("bob"), zeros(limit+1))
	require.NoError(t, err, "negative means no limit")
	require.EqualValues(t, limit+1, m.Size)
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

func TestQuotaCountsWhatIsInTheMaildropWhoeverPutItThere(t *testing.T) {
	store := newStore(t, Options{Quota: 20})
	put(t, store, "bob", "cur", "1.M1P1.host:2,S", "12345") // no S=: 5 octets
	first := deliver(t, store, "bob", "12345678")
	require.ErrorIs(t, appendTo(t, store, to("bob"), "1234")[0].Err, mailbox.ErrOverQuota)
	require.Empty(t, filesIn(t, store, "bob", "tmp"))
	deliver(t, store, "bob", "123")
	deliver(t, store, "alice", "12345678")

	require.NoError(t, open(t, store, "bob").Delete(t.Context(), []string{first.ID}))
	deliver(t, store, "bob", "12345678")
}

func TestReceivedIsTheTimeOfTheFile(t *testing.T) {
	store := newStore(t, Options{})
	delivery := to("bob")
	delivery.Received = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	m := appendTo(t, store, delivery, "an old one")[0]
	require.NoError(t, m.Err)
	info, err := os.Stat(path(store, "bob", "new", filesIn(t, store, "bob", "new")[0]))
	require.NoError(t, err)
	require.True(t, info.ModTime().Equal(delivery.Received))
}

func TestDeleteRemovesTheNamedAndNoOthers(t *testing.T) {
	store := newStore(t, Options{})
	var all []string
	for range 5 {
		all = append(all, deliver(t, store, "bob", "hello").ID)
	}
	box := open(t, store, "bob")
	list(t, box)
	require.NoError(t, box.Delete(t.Context(), []string{all[1], all[3], all[1], "no.such.message"}))
	require.Equal(t, []string{all[0], all[2], all[4]}, ids(listed(t, store, "bob")))
	_, err := box.Open(t.Context(), all[1], mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.NoError(t, box.Delete(t.Context(), []string{all[1]}), "removing again is a success")
}

func TestDeleteErrorNamesWhatFailed(t *testing.T) {
	store := newStore(t, Options{})
	var all []string
	for range 3 {
		all = append(all, deliver(t, store, "bob", "hello").ID)
	}
	n := 0
	denied := errors.New("permission denied")
	box := open(t, store, "bob")
	list(t, box)
	store.breakAt(func(now step) error {
		if n++; now == stepRemove && n == 2 {
			return denied
		}
		return nil
	})
	err := box.Delete(t.Context(), all)
	var failed *mailbox.DeleteError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, denied)
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.Equal(t, []string{all[1]}, keys(failed.Failed))
	require.Equal(t, []string{all[1]}, ids(listed(t, store, "bob")), "all the others are gone")
}

func TestACancelledDeleteNamesWhatIsLeft(t *testing.T) {
	store := newStore(t, Options{})
	all := []string{deliver(t, store, "bob", "1").ID, deliver(t, store, "bob", "2").ID}
	box := open(t, store, "bob")
	list(t, box)
	ctx, cancel := context.WithCancel(t.Context())
	store.breakAt(func(step) error { cancel(); return nil })
	err := box.Delete(ctx, all)
	var failed *mailbox.DeleteError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, all[1:], keys(failed.Failed))
	store.mend()
	require.Equal(t, all[1:], ids(listed(t, store, "bob")))
}

func keys(m map[string]error) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	return keys
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
	_, err = store.Append(t.Context(), to("bob"), strings.NewReader("hello"))
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
		r, _ := store.Append(context.Background(), to("bob"), reader)
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
