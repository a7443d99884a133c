package cassandra_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// Bad arguments of each public function: clear errors, no panics, and nothing
// is left in the tables.

func newBody(n int) io.Reader { return strings.NewReader(storetest.Body(n)) }

// badUsers are names that no user can have.
var badUsers = []string{
	"", "\x00", "bob\x00", "bob\r\n", "bob\n", "\x1b[31mbob", "\xff\xfe", "b\xc3", strings.Repeat("x", 321), "bob\x7f",
}

func TestOpenWithImpossibleUsers(t *testing.T) {
	t.Parallel()
	store := storetest.NewStore(t, newKeyspace(t))
	for _, user := range badUsers {
		mb, err := store.Open(t.Context(), mailbox.Login{User: user})
		require.ErrorIs(t, err, mailbox.ErrNoSuchUser, "%q", user)
		require.ErrorContains(t, err, "cassandra: open mailbox: ")
		require.Nil(t, mb)
	}
	_, err := store.Open(ended(t), mailbox.Login{User: "bob"})
	require.ErrorIs(t, err, context.Canceled)
	for _, user := range []string{"bob", "BOB@EXAMPLE.ORG", "bob'; DROP KEYSPACE x; --", "..", "/etc/passwd", "ünï", strings.Repeat("x", 320)} {
		require.Empty(t, storetest.List(t, store, user))
	}
}

func TestAppendWithBadArguments(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	bob := []mailbox.Recipient{{User: "bob"}}
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		ctx        context.Context
		recipients []mailbox.Recipient
		body       io.Reader
		want       string
	}{
		"no body":             {t.Context(), bob, nil, "cassandra: append: no body"},
		"no recipients":       {t.Context(), nil, newBody(1), "cassandra: append: no recipients"},
		"no recipients left":  {t.Context(), []mailbox.Recipient{}, newBody(1), "cassandra: append: no recipients"},
		"too many recipients": {t.Context(), make([]mailbox.Recipient, 1001), newBody(1), "cassandra: append: 1001 recipients, the limit is 1000"},
		"an ended context":    {ended(t), bob, newBody(1), "cassandra: append: context canceled"},
		"a broken body":       {t.Context(), bob, iotest.ErrReader(broken), "cassandra: append: read body: broken"},
		"a body that breaks":  {t.Context(), bob, io.MultiReader(newBody(1), iotest.ErrReader(broken)), "cassandra: append: read body: broken"},
		"a body cut short":    {t.Context(), bob, io.MultiReader(newBody(1), iotest.ErrReader(io.ErrUnexpectedEOF)), "cassandra: append: read body: unexpected EOF"},
		"a body that waits":   {t.Context(), bob, iotest.TimeoutReader(iotest.OneByteReader(newBody(1))), "cassandra: append: read body: timeout"},
		"a body of nothing":   {t.Context(), bob, nothing{}, "cassandra: append: read body: multiple Read calls return no data or error"},
	} {
		results, err := store.Append(test.ctx, mailbox.Delivery{Recipients: test.recipients}, test.body)
		require.EqualError(t, err, test.want, name)
		require.Nil(t, results, name)
	}

	// A bad recipient is one error, and the others get their mail.
	var delivery mailbox.Delivery
	for _, user := range badUsers {
		delivery.Recipients = append(delivery.Recipients, mailbox.Recipient{User: user})
	}
	delivery.Recipients = append(delivery.Recipients,
		mailbox.Recipient{User: "eve", Header: strings.Repeat("X: y\r\n", 20_000)}, mailbox.Recipient{User: "bob"})
	results, err := store.Append(t.Context(), delivery, newBody(1))
	require.NoError(t, err)
	for i := range badUsers {
		require.ErrorIs(t, results[i].Err, mailbox.ErrNoSuchUser)
		require.NotErrorIs(t, results[i].Err, mailbox.ErrTemporary)
	}
	require.ErrorIs(t, results[len(badUsers)].Err, mailbox.ErrTooLarge)
	require.NoError(t, results[len(badUsers)+1].Err)
	require.Len(t, storetest.List(t, store, "bob"), 1)
	require.Empty(t, storetest.List(t, store, "eve"))
}

// nothing is a body whose reads return nothing, forever.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// badIDs are IDs that no message has.
var badIDs = []string{
	"", "x", "1", "\x00", strings.Repeat("x", 10_000), "7d444840-9dc0-41d1-b245-5ffdce74fad2",
	"7d4448409dc011d1b2455ffdce74fad2", "{7d444840-9dc0-11d1-b245-5ffdce74fad2}", "../../etc/passwd", "' OR 1=1 --",
	"7d444840-9dc0-11d1-b245-5ffdce74fad2", // legal, and never minted
	"00000000-0000-1000-8000-000000000000", // the first there can be
	"ffffffff-ffff-1fff-bfff-ffffffffffff", // the last
}

func TestMailboxWithIDsOfNoMessage(t *testing.T) {
	t.Parallel()
	store := storetest.NewStore(t, newKeyspace(t))
	m := storetest.Deliver(t, store, "bob", storetest.Body(1))
	mb := storetest.Open(t, store, "bob")
	for _, id := range badIDs {
		for _, options := range []mailbox.OpenOptions{{}, {For: mailbox.Top}, {For: mailbox.Top, Lines: -1}} {
			_, err := mb.Open(t.Context(), id, options)
			require.ErrorIs(t, err, mailbox.ErrNotFound, "%q", id)
			require.ErrorContains(t, err, "cassandra: open message")
		}
	}
	require.NoError(t, mb.Delete(t.Context(), badIDs), "what is not there is removed already")
	require.NoError(t, mb.Delete(t.Context(), nil))
	require.Equal(t, []string{m.ID}, storetest.ListIDs(t, store, "bob"))

	require.ErrorIs(t, mb.Delete(ended(t), []string{m.ID}), context.Canceled)
	_, err := mb.Open(ended(t), m.ID, mailbox.OpenOptions{})
	require.Error(t, err)
	require.NotErrorIs(t, err, mailbox.ErrNotFound)
	_, err = mailbox.List(ended(t), mb)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{m.ID}, storetest.ListIDs(t, store, "bob"))

	// An ID in upper case is the same ID, and an ID may be given twice.
	text, err := storetest.Read(t.Context(), mb, strings.ToUpper(m.ID))
	require.NoError(t, err)
	require.Equal(t, storetest.Body(1), text)
	require.NoError(t, mb.Delete(t.Context(), []string{m.ID, strings.ToUpper(m.ID), m.ID}))
	require.Empty(t, storetest.List(t, store, "bob"))
}

func TestRepairWithImpossibleUsers(t *testing.T) {
	t.Parallel()
	store := storetest.NewStore(t, newKeyspace(t))
	for _, user := range badUsers {
		_, err := store.Verify(t.Context(), user)
		require.ErrorIs(t, err, mailbox.ErrNoSuchUser, "%q", user)
		require.NotErrorIs(t, err, mailbox.ErrTemporary, "trying again does not help")
		_, err = store.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.ErrorIs(t, err, mailbox.ErrNoSuchUser, "%q", user)
	}
	_, err := store.Verify(ended(t), "bob")
	require.ErrorIs(t, err, context.Canceled)
	report, err := store.Verify(t.Context(), "Nobody@Example.ORG")
	require.NoError(t, err)
	require.Equal(t, "nobody@example.org", report.User)
	require.Zero(t, report.Messages)
}

func TestNewStoreNeedsASessionAndAnIndex(t *testing.T) {
	t.Parallel()
	session := storetest.Connect(t, newKeyspace(t))
	for _, make := range []func() (*cassandra.Store, error){
		func() (*cassandra.Store, error) { return cassandra.NewStore(nil, nil) },
		func() (*cassandra.Store, error) { return cassandra.NewStore(session, nil) },
		func() (*cassandra.Store, error) { return cassandra.NewStore(nil, projection.New(session)) },
	} {
		store, err := make()
		require.EqualError(t, err, "cassandra: NewStore needs a session and an index: see package projection")
		require.Nil(t, store)
	}
}
