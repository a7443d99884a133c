package cassandra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P1: a mailbox has more buckets than a page, so that its fence is on a later
// page. The fence is seen all the same; mail above it is delivered, and all
// mail is listed.
func TestP1FenceOnALaterPageOfTheLedger(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.MigrateWith(t, cluster, func(c *cassandra.Config) { c.Bucket = time.Minute })
	clock := newClock(time.Now())
	config.Now = clock.Now
	store := storetest.NewStore(t, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	first := storetest.Deliver(t, store, "demo", storetest.Body(1)).ID

	db := cluster.Session(t, "")
	const buckets, each = 4500, 500
	at := clock.Now().Unix() / 60
	for n := int64(0); n < buckets; n += each {
		batch := db.NewBatch(gocql.UnloggedBatch)
		for i := range int64(each) {
			batch.Query("INSERT INTO "+config.Keyspace+".ledger (mailbox_id, kind, start, user) VALUES (?, 'bucket', ?, 'demo') USING TIMESTAMP 1",
				gocql.UUID(id), at-10-n-i)
		}
		require.NoError(t, db.ExecuteBatch(batch))
	}
	fence := clock.Now().Add(time.Hour).UnixMicro()
	require.NoError(t, db.Query("INSERT INTO "+config.Keyspace+".ledger (mailbox_id, kind, start, until) VALUES (?, 'fence', 0, ?) USING TIMESTAMP ?",
		gocql.UUID(id), fence, fence).Exec())
	_, err = storetest.TryDeliver(t.Context(), store, "demo", storetest.Body(2))
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.ErrorContains(t, err, "closed")

	clock.advance(2 * time.Hour)
	second := storetest.Deliver(t, store, "demo", storetest.Body(3)).ID
	require.Equal(t, []string{first, second}, storetest.ListIDs(t, store, "demo"))
	require.Equal(t, []string{first, second}, storetest.ListIDs(t, storetest.NewStore(t, config), "demo"))
}

// A fence above the ID refuses a delivery, which leaves nothing; a fence below
// it does not.
func TestFenceRefusesDelivery(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	id, _, err := store.Mailbox("bob")
	require.NoError(t, err)
	fence := func(until time.Time) {
		at := until.UnixMicro()
		require.NoError(t, cluster.Session(t, "").Query("INSERT INTO "+config.Keyspace+
			".ledger (mailbox_id, kind, start, until) VALUES (?, 'fence', 0, ?) USING TIMESTAMP ?", gocql.UUID(id), at, at).Exec())
	}
	fence(time.Now().Add(-time.Hour))
	kept := storetest.Deliver(t, store, "bob", storetest.Body(1))
	fence(time.Now().Add(time.Hour))
	for _, text := range []string{storetest.Body(2), strings.Repeat(storetest.Body(2), 10_000)} {
		_, err = storetest.TryDeliver(t.Context(), store, "bob", text)
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.ErrorContains(t, err, "closed")
	}
	storetest.Deliver(t, store, "eve", storetest.Body(3)) // another mailbox
	require.Equal(t, []string{kept.ID}, storetest.ListIDs(t, store, "bob"))
	fence(time.Now().Add(-time.Minute)) // older: the largest wins, in any order
	_, err = storetest.TryDeliver(t.Context(), store, "bob", storetest.Body(4))
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.NoError(t, storetest.Open(t, store, "bob").Delete(t.Context(), []string{kept.ID}))
	eve := storetest.List(t, store, "eve")
	require.NoError(t, storetest.Open(t, store, "eve").Delete(t.Context(), storetest.IDs(eve)))
	storetest.CloseStore(t, store)
	requireEmpty(t, cluster, config, storetest.NewStore(t, config), "bob")
}
