package maildir

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

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

func TestABodyThatBreaksReachesNoRecipient(t *testing.T) {
	store := newStore(t, Options{})
	broken := errors.New("line broke")
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), iotest.ErrReader(broken))
	results, err := store.Append(t.Context(), mailbox.To("bob", "alice"), body)
	require.ErrorIs(t, err, broken)
	require.Nil(t, results)
	for _, user := range []string{"bob", "alice"} {
		require.Empty(t, listed(t, store, user))
		require.Empty(t, filesIn(t, store, user, "tmp"))
	}
}

func TestACancelledDeliveryReachesNoRecipient(t *testing.T) {
	store := newStore(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	body := io.MultiReader(strings.NewReader("Subject: hello\n"), readerFunc(func(p []byte) (int, error) {
		cancel()
		p[0] = 'x'
		return 1, nil
	}))
	results, err := store.Append(ctx, mailbox.To("bob"), body)
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
	require.ErrorIs(t, refused(t, store, "bob", "123456789"), mailbox.ErrTooLarge)

	delivery := mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "eve", Header: "X: 1\n"}, {User: "bob"}}}
	results := appendTo(t, store, delivery, "12345")
	require.ErrorIs(t, results[0].Err, mailbox.ErrTooLarge, "the header counts, and is this recipient's alone")
	require.NoError(t, results[1].Err)
	require.Equal(t, "12345\r\n", read(t, open(t, store, "bob"), results[1].ID))
	require.Empty(t, listed(t, store, "eve"))
	require.Empty(t, filesIn(t, store, "eve", "tmp"))

	broken := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), iotest.ErrReader(errors.New("line broke")))
	_, err := store.Append(t.Context(), mailbox.To("bob"), broken)
	require.ErrorContains(t, err, "line broke", "a body above the limit is read to its end")

	unlimited := newStore(t, Options{MaxMessageSize: -1})
	require.EqualValues(t, 1<<20+2, deliver(t, unlimited, "bob", strings.Repeat("x", 1<<20)).Size)
}

func TestABodyAboveTheLimitIsNotKept(t *testing.T) {
	store := newStore(t, Options{MaxMessageSize: 10})
	written := int64(-1)
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), readerFunc(func([]byte) (int, error) {
		info, err := os.Stat(path(store, "bob", "tmp", filesIn(t, store, "bob", "tmp")[0]))
		require.NoError(t, err)
		written = info.Size()
		return 0, io.EOF
	}))
	_, err := mailbox.Deliver(t.Context(), store, mailbox.To("bob"), body)
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
	require.Zero(t, written)
}

// zeros is a message of n octets, of which the store adds the last two: one
// line.
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

func TestQuotaCountsMailOfOtherPrograms(t *testing.T) {
	store := newStore(t, Options{Quota: 20})
	put(t, store, "bob", "cur", "1.M1P1.host:2,S", "12345") // no S=: 5 octets
	first := deliver(t, store, "bob", "12345678")
	require.ErrorIs(t, refused(t, store, "bob", "1234"), mailbox.ErrOverQuota)
	require.Empty(t, filesIn(t, store, "bob", "tmp"))
	deliver(t, store, "bob", "123")
	deliver(t, store, "alice", "12345678")

	require.NoError(t, open(t, store, "bob").Delete(t.Context(), []string{first.ID}))
	deliver(t, store, "bob", "12345678")
}

func TestReceivedIsTheTimeOfTheFile(t *testing.T) {
	store := newStore(t, Options{})
	delivery := mailbox.To("bob")
	delivery.Received = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	_, err := mailbox.Deliver(t.Context(), store, delivery, strings.NewReader("an old one"))
	require.NoError(t, err)
	info, err := os.Stat(path(store, "bob", "new", filesIn(t, store, "bob", "new")[0]))
	require.NoError(t, err)
	require.True(t, info.ModTime().Equal(delivery.Received))
}
