package cassandra_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// P5: a unique-id is unique, never changes, and is decided when the message is
// delivered; also one that comes from another system.

// importOne delivers a message of another system, which has a unique-id
// already, to one user.
func importOne(ctx context.Context, store *cassandra.Store, uidl, user string) (mailbox.Message, error) {
	delivery := mailbox.To(user)
	delivery.UIDL = uidl
	return mailbox.Deliver(ctx, store, delivery, strings.NewReader(storetest.Body(1)))
}

func TestP5ForeignUIDLs(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t, 0)
	session := storetest.Connect(t, config)
	index := &faultyIndex{Index: projection.New(session)}
	store, err := cassandra.NewStore(session, index)
	require.NoError(t, err)
	t.Cleanup(func() { storetest.CloseStore(t, store) })
	one := func(uidl, user string) mailbox.Message {
		t.Helper()
		m, err := importOne(t.Context(), store, uidl, user)
		require.NoError(t, err)
		return m
	}
	first := one("uid-1", "bob")
	require.Equal(t, "uid-1", first.UIDL)
	require.Empty(t, one("uid-1", "bob").UIDL, "another message shows it")
	require.Equal(t, "uid-1", one("uid-1", "eve").UIDL, "another mailbox")
	plain := storetest.Deliver(t, store, "bob", storetest.Body(2))
	require.Empty(t, one(mailbox.UIDL(plain), "bob").UIDL, "it is what a message shows by its ID")
	strange := one("not a legal unique-id \x00", "bob")
	require.Equal(t, mailbox.SafeUIDL("not a legal unique-id \x00"), strange.UIDL)
	require.True(t, mailbox.ValidUIDL(one(strings.Repeat("x", 100), "carl").UIDL))

	// A failed attempt leaves its claim. The retry shows the unique-id all the
	// same.
	index.hurt(func(context.Context, cassandra.MailboxID, func() error) error { return errors.New("broken") }, nil)
	_, err = importOne(t.Context(), store, "uid-2", "bob")
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	index.heal()
	retried := one("uid-2", "bob")
	require.Equal(t, "uid-2", retried.UIDL)

	before := storetest.DistinctUIDLs(t, store, "bob")
	require.Len(t, before, 6)
	require.Equal(t, "uid-1", before[first.ID])
	require.NoError(t, storetest.Open(t, store, "bob").Delete(t.Context(), []string{first.ID}))
	one("uid-1", "bob")
	after := storetest.DistinctUIDLs(t, store, "bob")
	for id, uidl := range after {
		if before[id] != "" {
			require.Equal(t, before[id], uidl, "it never changes")
		}
	}
}

// P5: the same user is twice in one delivery.
func TestP5OneUserTwiceInADelivery(t *testing.T) {
	t.Parallel()
	store := storetest.NewStore(t, newKeyspace(t, 0))
	for range 10 {
		results, err := storetest.Import(t.Context(), store, "twice", "bob", "Bob", "BOB")
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
		}
		storetest.DistinctUIDLs(t, store, "bob")
	}
}

// P5: several hosts of one data centre import the same mail at the same moment.
// At most one message shows the unique-id. The others may be refused for now.
func TestP5SameUIDLAtTheSameMoment(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t, 0)
	stores := []*cassandra.Store{storetest.NewStore(t, config), storetest.NewStore(t, config), storetest.NewStore(t, config)}
	shows := 0
	for round := range 20 {
		uidl := strings.Repeat("u", round+1)
		var group sync.WaitGroup
		start := make(chan struct{})
		for _, store := range stores {
			group.Go(func() {
				<-start
				if _, err := importOne(t.Context(), store, uidl, "bob"); err != nil && !errors.Is(err, mailbox.ErrTemporary) {
					t.Errorf("%v", err)
				}
			})
		}
		close(start)
		group.Wait()
		_, err := importOne(t.Context(), stores[0], uidl, "bob") // the retry
		require.NoError(t, err)
		for _, shown := range storetest.DistinctUIDLs(t, stores[0], "bob") {
			if shown == uidl {
				shows++
			}
		}
	}
	t.Logf("%d of 20 unique-ids are shown", shows) // the messages may all have gone without
	require.GreaterOrEqual(t, shows, 5)
}

// P5: two hosts have the same time to the last tick. Neither claim hides the
// other.
func TestP5HostsWithOneClock(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t, 0)
	now := time.Now()
	config.Now = func() time.Time { return now }
	hosts := []*cassandra.Store{storetest.NewStore(t, config), storetest.NewStore(t, config)}
	for _, user := range []string{"bob", "eve"} { // in the other order for the second user
		for _, host := range hosts {
			if _, err := importOne(t.Context(), host, "uid-1", user); err != nil {
				require.ErrorIs(t, err, mailbox.ErrTemporary)
			}
		}
		storetest.DistinctUIDLs(t, hosts[0], user)
		hosts[0], hosts[1] = hosts[1], hosts[0]
	}
}

// P5: a claim of which only the key is here refuses no message. A read leaves
// such a row behind, if it repairs a claim that had reached almost no replica.
func TestP5HalfAClaimRefusesNothing(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	id, _, err := store.Mailbox("bob")
	require.NoError(t, err)
	claims := [16]byte(uuid.NewV5(uuid.UUID(id), "uid-1"))
	storetest.TablesOf(t, cluster, config).Exec("INSERT INTO KS.ledger (mailbox_id, kind, start) VALUES (?, 'uidl', 1) USING TIMESTAMP 1", claims)
	m, err := importOne(t.Context(), store, "uid-1", "bob")
	require.NoError(t, err)
	require.Equal(t, "uid-1", m.UIDL)
}
