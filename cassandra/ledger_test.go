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

// writeFence writes the fence of a mailbox.
func writeFence(tables storetest.Tables, id cassandra.MailboxID, at time.Time) {
	fence := at.UnixMicro()
	tables.Exec("INSERT INTO KS.ledger (mailbox_id, bucket, fence) VALUES (?, -1, ?) USING TIMESTAMP ?", [16]byte(id), fence, fence)
}

// refused is what a delivery below the fence says.
const refused = "the mailbox takes no message that old any more"

// P1: a mailbox has thousands of buckets, of all widths, on many pages of the
// ledger. All mail is listed, the mail above the fence is delivered, and that
// below it is refused.
func TestP1ManyPagesOfTheLedger(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	clock := newClock(time.Now())
	config.Now = clock.Now
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	first := storetest.Deliver(t, store, "demo", storetest.Body(1)).ID

	const hours, each = 4000, 500
	rows := map[int64]bool{bucketNow(t, store): true}
	for n := 0; n < hours; n += each {
		batch := tables.CQL.NewBatch(gocql.UnloggedBatch)
		for i := range each {
			bucket := idOf(clock.Now().Add(-time.Duration(n+i)*time.Hour), byte(i%3)).Bucket()
			rows[bucket] = true
			batch.Query(tables.In("INSERT INTO KS.ledger (mailbox_id, bucket) VALUES (?, ?) USING TIMESTAMP 1"), gocql.UUID(id), bucket)
		}
		require.NoError(t, tables.CQL.ExecuteBatch(batch))
	}
	require.Len(t, tables.Ledger(id), len(rows))
	require.Greater(t, len(rows), 1000)
	var want []string
	for _, age := range []time.Duration{4000 * time.Hour, 700 * time.Hour, 3 * time.Hour} {
		planted := storetest.Plant{Age: age, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(tables, store, "demo")
		want = append(want, planted.String())
	}
	want = append(want, first)
	require.Equal(t, want, storetest.ListIDs(t, store, "demo"))

	writeFence(tables, id, clock.Now().Add(time.Hour))
	_, err = storetest.TryDeliver(t.Context(), store, "demo", storetest.Body(2))
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.ErrorContains(t, err, refused)

	clock.advance(2 * time.Hour)
	want = append(want, storetest.Deliver(t, store, "demo", storetest.Body(3)).ID)
	require.Equal(t, want, storetest.ListIDs(t, store, "demo"))
	require.Equal(t, want, storetest.ListIDs(t, storetest.NewStore(t, config), "demo"))
}

// P1: a fence above the ID refuses a delivery, which leaves nothing; a fence
// below it does not.
func TestP1FenceRefusesDelivery(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("bob")
	require.NoError(t, err)
	writeFence(tables, id, time.Now().Add(-time.Hour))
	kept := storetest.Deliver(t, store, "bob", storetest.Body(1))
	writeFence(tables, id, time.Now().Add(time.Hour))
	for _, text := range []string{storetest.Body(2), strings.Repeat(storetest.Body(2), 10_000)} {
		_, err = storetest.TryDeliver(t.Context(), store, "bob", text)
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.ErrorContains(t, err, refused)
	}
	storetest.Deliver(t, store, "eve", storetest.Body(3)) // another mailbox
	require.Equal(t, []string{kept.ID}, storetest.ListIDs(t, store, "bob"))
	writeFence(tables, id, time.Now().Add(-time.Minute)) // older: the largest wins, in any order
	_, err = storetest.TryDeliver(t.Context(), store, "bob", storetest.Body(4))
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.NoError(t, storetest.Open(t, store, "bob").Delete(t.Context(), []string{kept.ID}))
	eve := storetest.List(t, store, "eve")
	require.NoError(t, storetest.Open(t, store, "eve").Delete(t.Context(), storetest.IDs(eve)))
	storetest.CloseStore(t, store)
	requireEmpty(t, cluster, config, storetest.NewStore(t, config), "bob")
}

// P1: nothing of the ledger is remembered between deliveries. A row that a
// replica has lost is written again before the next delivery is acknowledged.
func TestP1ARowThatIsLostIsWrittenAgain(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("bob")
	require.NoError(t, err)
	want := []string{storetest.Deliver(t, store, "bob", storetest.Body(1)).ID}
	tables.Exec("TRUNCATE KS.ledger")
	require.Empty(t, tables.Ledger(id))
	want = append(want, storetest.Deliver(t, store, "bob", storetest.Body(2)).ID)
	require.Contains(t, tables.Ledger(id), bucketNow(t, store))
	require.Equal(t, want, storetest.ListIDs(t, store, "bob"))
	var user string
	require.NoError(t, tables.CQL.Query(tables.In("SELECT user FROM KS.ledger WHERE mailbox_id = ? AND bucket = -1"), gocql.UUID(id)).Scan(&user))
	require.Equal(t, "bob", user)
}
