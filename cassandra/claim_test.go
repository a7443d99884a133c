package cassandra_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
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

// P5: a unique-id is unique, never changes, and is decided when the message is
// delivered; also one that comes from another system.

// importOne delivers a message of another system, which has a unique-id
// already, to one user.
func importOne(ctx context.Context, store *cassandra.Store, uidl, user string) (mailbox.Message, error) {
	delivery := mailbox.To(user)
	delivery.UIDL = uidl
	return mailbox.Deliver(ctx, store, delivery, strings.NewReader(storetest.Body(1)))
}

// unhurried returns a configuration for which no claim is young: a message that
// finds the claim of another one is delivered without the unique-id at once.
func unhurried(config cassandra.Config) cassandra.Config {
	config.Horizon = time.Nanosecond
	return config
}

func TestP5ForeignUIDLs(t *testing.T) {
	t.Parallel()
	config := unhurried(newKeyspace(t))
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

	// An attempt that fails after its membership was written takes the
	// unique-id with it: somebody may have seen it.
	index.hurt(func(context.Context, cassandra.MailboxID, func() error) error { return errFault }, nil)
	_, err = importOne(t.Context(), store, "uid-2", "bob")
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	index.heal()
	require.Empty(t, one("uid-2", "bob").UIDL)

	before := storetest.DistinctUIDLs(t, store, "bob")
	require.Len(t, before, 6)
	require.Equal(t, "uid-1", before[first.ID])
	require.NoError(t, storetest.Open(t, store, "bob").Delete(t.Context(), []string{first.ID}))
	require.Empty(t, one("uid-1", "bob").UIDL, "it is never given out again, not even after its message is removed")
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
	store := storetest.NewStore(t, unhurried(newKeyspace(t)))
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
// At most one message shows the unique-id. The others are refused for now, or
// go without if they find that one. If none shows it, all have let go, and the
// retry shows it.
func TestP5SameUIDLAtTheSameMoment(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t)
	stores := []*cassandra.Store{storetest.NewStore(t, config), storetest.NewStore(t, config), storetest.NewStore(t, config)}
	shows := 0
	for round := range 20 {
		uidl := strings.Repeat("u", round+1)
		var group sync.WaitGroup
		var shown, without atomic.Int32
		start := make(chan struct{})
		for _, store := range stores {
			group.Go(func() {
				<-start
				switch m, err := importOne(t.Context(), store, uidl, "bob"); {
				case err != nil:
					assert.ErrorIs(t, err, mailbox.ErrTemporary)
				case m.UIDL == uidl:
					shown.Add(1)
				default:
					without.Add(1)
				}
			})
		}
		close(start)
		group.Wait()
		require.LessOrEqual(t, shown.Load(), int32(1))
		require.True(t, shown.Load() == 1 || without.Load() == 0)
		retry, err := importOne(t.Context(), stores[0], uidl, "bob")
		require.NoError(t, err)
		require.Equal(t, shown.Load() == 0, retry.UIDL == uidl)
		for _, uidl := range storetest.DistinctUIDLs(t, stores[0], "bob") {
			if uidl == strings.Repeat("u", round+1) {
				shows++
			}
		}
	}
	require.Equal(t, 20, shows)
}

// P5: two hosts have the same time to the last tick. Neither claim hides the
// other.
func TestP5HostsWithOneClock(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t)
	now := time.Now()
	config.Now = func() time.Time { return now }
	hosts := []*cassandra.Store{storetest.NewStore(t, config), storetest.NewStore(t, config)}
	for _, user := range []string{"bob", "eve"} { // in the other order for the second user
		first, err := importOne(t.Context(), hosts[0], "uid-1", user)
		require.NoError(t, err)
		require.Equal(t, "uid-1", first.UIDL)
		second, err := importOne(t.Context(), hosts[1], "uid-1", user)
		require.NoError(t, err)
		require.Empty(t, second.UIDL)
		require.Equal(t, map[string]string{first.ID: "uid-1", second.ID: second.ID}, storetest.DistinctUIDLs(t, hosts[0], user))
		hosts[0], hosts[1] = hosts[1], hosts[0]
	}
}

// P5: a message that let its claim go refuses no other one; and neither does
// one of which only that is here, since its claim has not come yet.
func TestP5AClaimThatWasLetGoRefusesNothing(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for user, claims := range map[string]bool{"bob": true, "eve": false} {
		box, _, err := store.Mailbox(user)
		require.NoError(t, err)
		gone := idOf(time.Now(), 0)
		if claims {
			tables.Exec("INSERT INTO KS.uidl (mailbox_id, uidl, message_id) VALUES (?, 'uid-1', ?) USING TIMESTAMP ?", [16]byte(box), [16]byte(gone), gone.Timestamp())
			_, err := importOne(t.Context(), store, "uid-1", user)
			require.ErrorIs(t, err, mailbox.ErrTemporary, "it is young, and may be let go")
		}
		tables.Exec("UPDATE KS.uidl USING TIMESTAMP ? SET gone = true WHERE mailbox_id = ? AND uidl = 'uid-1' AND message_id = ?", gone.Timestamp()+1, [16]byte(box), [16]byte(gone))
		m, err := importOne(t.Context(), store, "uid-1", user)
		require.NoError(t, err)
		require.Equal(t, "uid-1", m.UIDL)
	}
}
