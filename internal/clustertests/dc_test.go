package clustertests

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// dcTopology is two data centres of one node each; POPCASK_TEST_DCS=dc1:3,dc2:3
// makes them larger, for the record.
func dcTopology(t *testing.T) cassandratest.Topology {
	dcs := []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}}
	if text := os.Getenv("POPCASK_TEST_DCS"); text != "" {
		var err error
		dcs, err = cassandratest.ParseDCs(text)
		require.NoError(t, err)
		require.Len(t, dcs, 2)
	}
	// Without hints, what a data centre misses it misses until somebody repairs
	// it: replication lag for as long as the test wants.
	return cassandratest.Topology{DCs: dcs, Private: true, Settings: map[string]any{"hinted_handoff_enabled": false}}
}

// lagging copies rows of messages from one data centre to the other, so that
// this much of the replication has arrived and no more. A row keeps its
// timestamp, as in a hint.
type lagging struct{ from, to storetest.Tables }

func (l lagging) listing(store *cassandra.Store, user string, ids ...string) {
	box, _, err := store.Mailbox(user)
	require.NoError(l.to.T, err)
	for _, text := range ids {
		id, err := cassandra.ParseMessageID(text)
		require.NoError(l.to.T, err)
		var size, at int64
		require.NoError(l.to.T, l.from.CQL.Query("SELECT size, WRITETIME(size) FROM "+l.from.Keyspace+".projection WHERE mailbox_id = ? AND bucket = ? AND message_id = ?",
			[16]byte(box), store.Session().Bucket(id), [16]byte(id)).Consistency(gocql.LocalOne).Scan(&size, &at))
		require.Equal(l.to.T, id.Timestamp(), at)
		l.to.Exec("INSERT INTO KS.projection (mailbox_id, bucket, message_id, size) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", [16]byte(box), store.Session().Bucket(id), [16]byte(id), size, at)
	}
}

// firstChunk copies chunk 0 and the static columns.
func (l lagging) firstChunk(text string) {
	id, err := cassandra.ParseMessageID(text)
	require.NoError(l.to.T, err)
	var data, sum []byte
	var box [16]byte
	var size int64
	var chunks, head int
	require.NoError(l.to.T, l.from.CQL.Query("SELECT data, mailbox_id, size, chunks, head, sha256 FROM "+l.from.Keyspace+".message WHERE message_id = ? AND chunk = 0", [16]byte(id)).
		Consistency(gocql.LocalOne).Scan(&data, &box, &size, &chunks, &head, &sum))
	l.to.Exec("INSERT INTO KS.message (message_id, chunk, data, mailbox_id, size, chunks, head, sha256) VALUES (?, 0, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
		[16]byte(id), data, box, size, chunks, head, sum, id.Timestamp())
}

// wake boots a data centre that was killed, and waits until the stores work with
// it.
func wake(t *testing.T, cluster *cassandratest.Cluster, dc string, stores ...*cassandra.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	// What is still queued for the dead nodes expires first: one that starts
	// quickly would get it after all.
	require.NoError(t, cluster.Settle(ctx))
	require.NoError(t, cluster.Boot(ctx, dc))
	require.NoError(t, cluster.Settle(ctx))
	// The drivers, too, must have noticed.
	for _, store := range stores {
		storetest.Eventually(t, "the stores work again", func() bool {
			_, err := store.Verify(ctx, "nobody@example.org")
			return err == nil
		})
	}
}

// Two data centres: both deliver and serve, each by itself where the other is
// gone; what has not arrived is found by the ladder, or missed for now.
func TestP1P2P3P5TwoDataCentres(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts two nodes of its own")
	}
	t.Parallel()
	cluster := cassandratest.Start(t, dcTopology(t))
	one, two := cluster.DCs[0].Name, cluster.DCs[1].Name
	config1 := storetest.Migrate(t, cluster)
	require.ErrorContains(t, cassandra.Migrate(t.Context(), config1, cassandra.Replication{two: 1}), "no replicas in Config.LocalDC, "+one)
	config1.Timeout = 2 * time.Second
	config1.ChunkSize = 16 << 10
	config2 := storetest.In(config1, cluster, two)
	var heard storetest.Recorder // of dc2
	config2.Observer = heard.Observe
	store1 := storetest.NewStore(t, config1)
	store2 := storetest.NewStore(t, config2)
	server2 := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), store2))
	// A node that is killed forgets the last 100 ms of its commit log
	// (commitlog_sync: periodic), and a data centre may have one node only.
	kill := func(dc string) {
		for _, node := range cluster.Nodes {
			if node.DC == dc {
				_, err := cluster.NodeTool(t.Context(), node.Name, "flush", config1.Keyspace)
				require.NoError(t, err)
			}
		}
		require.NoError(t, cluster.Kill(dc))
	}
	replicated := func(user string, bodies ...string) {
		storetest.Eventually(t, "replicated", func() bool { return len(storetest.List(t, store2, user)) == len(bodies) })
		storetest.Holds(t, store2, user, bodies...)
	}

	// Deliver in one, read in the other: the same messages, the same unique-ids.
	const user = "anna@example.org"
	before := []string{storetest.Body(1), storetest.Body(2), storetest.BigBody(1, 100<<10), storetest.Body(4)}
	for _, text := range before {
		storetest.Deliver(t, store1, user, text)
	}
	replicated(user, before...)
	uidls := func(store mailbox.Store, user string) (all []string) {
		for _, m := range storetest.List(t, store, user) {
			all = append(all, mailbox.UIDL(m))
		}
		return all
	}
	require.Equal(t, uidls(store1, user), uidls(store2, user), "P5: the same unique-ids in both data centres, in the same order")
	storetest.Deliver(t, store2, user, storetest.Body(5))
	storetest.Eventually(t, "replicated", func() bool { return len(storetest.List(t, store1, user)) == 5 })
	storetest.Holds(t, store1, user, append(before, storetest.Body(5))...)
	require.Equal(t, uidls(store1, user), uidls(store2, user), "P5")

	// dc2 is gone; dc1 serves its mail as ever, and takes more.
	kill(two)
	start := time.Now()
	const lost = "lost@example.org" // whose mail dc2 does not get before dc1 is gone
	var missed []string
	for i := range 20 {
		missed = append(missed, storetest.Deliver(t, store1, lost, storetest.Body(200+i)).ID)
	}
	var ids []string
	for i := range 4 {
		ids = append(ids, storetest.Deliver(t, store1, user, storetest.Body(100+i)).ID)
	}
	large := storetest.Deliver(t, store1, user, storetest.BigBody(2, 200<<10))
	const halved = "halved@example.org" // of whose mail dc2 gets a part
	torn := storetest.Deliver(t, store1, halved, storetest.BigBody(3, 200<<10))
	whole := storetest.Deliver(t, store1, halved, storetest.Body(300))
	require.Len(t, storetest.List(t, store1, user), 10)
	require.NoError(t, storetest.Open(t, store1, user).Delete(t.Context(), []string{storetest.List(t, store1, user)[0].ID}))
	require.Len(t, storetest.List(t, store1, user), 9)
	t.Logf("27 messages delivered, 1 removed in %s while %s is down: %s", one, two, time.Since(start))
	require.Less(t, time.Since(start), 20*time.Second, "nobody waits for the other data centre")
	wake(t, cluster, two, store1, store2)
	lag := lagging{storetest.TablesOf(t, cluster, config1), storetest.TablesOf(t, cluster, config2)}

	// The rows of the listing have arrived in dc2, their content has not.
	require.Len(t, storetest.List(t, store2, user), 5, "dc2 lags, and its removed message is still there")
	require.Empty(t, storetest.List(t, store2, lost))
	lag.listing(store2, user, append(ids, large.ID)...)
	lag.listing(store2, halved, torn.ID, whole.ID)
	lag.listing(store2, lost, missed...)
	lag.firstChunk(torn.ID)
	session2 := storetest.Open(t, store2, user)
	listed, err := storetest.TryList(t.Context(), session2)
	require.NoError(t, err)
	require.Len(t, listed, 10)
	content2 := func(id string) int { // a read at LOCAL_QUORUM of dc2 repairs nothing in dc2 from dc1
		return lag.to.Count("SELECT count(*) FROM KS.message WHERE message_id = ?", id)
	}
	require.Zero(t, content2(ids[0]))
	require.Zero(t, content2(missed[0]))
	require.Zero(t, content2(large.ID))
	require.Equal(t, 1, content2(torn.ID))

	// P2: the ladder finds it, and neither the session nor the repair that it asks
	// for writes anything.
	heard.Take()
	ladder := func(mb mailbox.Mailbox, id, want string) {
		start := time.Now()
		got, err := storetest.Read(t.Context(), mb, id)
		require.NoError(t, err)
		require.True(t, want == got, "P2: octet for octet")
		t.Logf("%d octets that are not in this data centre, or not all: %s", len(got), time.Since(start))
	}
	ladder(session2, ids[0], storetest.Body(100))
	ladder(session2, large.ID, storetest.BigBody(2, 200<<10))
	halved2 := storetest.Open(t, store2, halved)
	_, err = storetest.TryList(t.Context(), halved2)
	require.NoError(t, err)
	ladder(halved2, torn.ID, storetest.BigBody(3, 200<<10))
	everywhere := 0
	for _, o := range heard.Take() {
		assert.True(t, strings.HasPrefix(o.Statement, "SELECT"), "P2: a miss writes nothing: %s", o.Statement)
		if o.Consistency == "EACH_QUORUM" {
			everywhere++
		}
	}
	require.NotZero(t, everywhere)
	// The repair behind the session reads every message of the mailbox in every
	// data centre, and reading repairs.
	storetest.Eventually(t, "the mailboxes are made whole behind the sessions", func() bool {
		return content2(ids[3]) == 1 && content2(whole.ID) == 1 && content2(large.ID) > 5 && content2(torn.ID) == content2(large.ID)
	})
	// It counts chunks and does not read them, so that what it leaves may be rows
	// without their octets.
	ladder(session2, ids[3], storetest.Body(103))
	ladder(halved2, whole.ID, storetest.Body(300))

	// dc1 is gone. dc2 serves its mail, takes and removes more; what it misses is
	// missed for now, and 100 misses do not take 100 time-outs.
	storetest.Deliver(t, store2, "ben@example.org", storetest.Body(1))
	doomed := storetest.Deliver(t, store2, "ben@example.org", storetest.Body(2))
	storetest.Eventually(t, "replicated", func() bool { return len(storetest.List(t, store1, "ben@example.org")) == 2 })
	kill(one)
	session2 = storetest.Open(t, store2, lost)
	listed, err = storetest.TryList(t.Context(), session2)
	require.NoError(t, err)
	require.Len(t, listed, len(missed))
	start = time.Now()
	for i := range 100 {
		_, err := storetest.Read(t.Context(), session2, missed[i%len(missed)])
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.False(t, errors.Is(err, mailbox.ErrNotFound), "P2: replication lag is no such message")
	}
	took := time.Since(start)
	t.Logf("100 misses while %s is down: %s, with a time-out of %s", one, took, config2.Timeout)
	require.Less(t, took, 30*time.Second)
	client := dial(t, server2, lost)
	answer, err := client.Command("RETR 1")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(answer, "-ERR [SYS/TEMP]"), answer)

	start = time.Now()
	storetest.Holds(t, store2, "ben@example.org", storetest.Body(1), storetest.Body(2))
	storetest.Deliver(t, store2, "ben@example.org", storetest.Body(3))
	require.NoError(t, storetest.Open(t, store2, "ben@example.org").Delete(t.Context(), []string{doomed.ID}))
	storetest.Holds(t, store2, "ben@example.org", storetest.Body(1), storetest.Body(3))
	_, err = store2.Verify(t.Context(), "ben@example.org")
	require.ErrorIs(t, err, mailbox.ErrTemporary, "a repair must hear every data centre")
	t.Logf("local mail in %s while %s is down: %s", two, one, time.Since(start))

	// After healing the miss is found again.
	wake(t, cluster, one, store1, store2)
	require.Len(t, storetest.List(t, store1, "ben@example.org"), 2, "dc1 lags now, and does not know of the removal")
	start = time.Now()
	storetest.Eventually(t, "found again", func() bool {
		got, err := storetest.Read(t.Context(), session2, missed[1])
		if err != nil {
			require.ErrorIs(t, err, mailbox.ErrTemporary)
		}
		return err == nil && got == storetest.Body(201)
	})
	t.Logf("found again %s after the data centre is back", time.Since(start))

	// P3: what was removed while the other data centre was cut off stays removed,
	// also after the operator's repair and ours, in both directions.
	before1, before2 := storetest.ListIDs(t, store1, user), storetest.ListIDs(t, store2, "ben@example.org")
	require.NotContains(t, before2, doomed.ID)
	for _, node := range []string{one + "-1", two + "-1"} {
		out, err := cluster.NodeTool(t.Context(), node, "repair", "-full", config1.Keyspace)
		require.NoError(t, err, out)
	}
	for _, config := range []cassandra.Config{config1, config2} {
		store := storetest.NewStore(t, storetest.Later(config))
		for _, who := range []string{user, lost, halved, "ben@example.org"} {
			_, err := store.Repair(t.Context(), who, cassandra.RepairOptions{})
			require.NoError(t, err)
		}
		storetest.Holds(t, store, "ben@example.org", storetest.Body(1), storetest.Body(3))
		found := storetest.Readable(t, store, user)
		require.Len(t, found, 9)
		for _, id := range before1 {
			require.Contains(t, found, id)
		}
		storetest.Mend(t, store, user)
		require.Len(t, storetest.Readable(t, store, lost), len(missed))
		storetest.Mend(t, store, "ben@example.org")
	}
	require.Equal(t, uidls(store1, user), uidls(store2, user), "P5")
	require.Equal(t, uidls(store1, "ben@example.org"), uidls(store2, "ben@example.org"), "P5")
}
