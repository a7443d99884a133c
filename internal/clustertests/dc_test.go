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
	"github.com/popcask/popcask/internal/slow"
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
	// Without hints, a data centre goes on missing what it missed until it is
	// repaired: replication lag for as long as the test wants.
	return cassandratest.Topology{DCs: dcs, Private: true, Settings: storetest.Killable(map[string]any{"hinted_handoff_enabled": false})}
}

// lagging copies rows of messages from one data centre to the other, so that
// this much of the replication has arrived and no more. A row keeps its
// timestamp, as in a hint.
type lagging struct{ from, to storetest.Tables }

// listing copies entries of the listing, and the rows of their buckets in the
// ledger.
func (l lagging) listing(store *cassandra.Store, user string, ids ...string) {
	box, _, err := store.Mailbox(user)
	require.NoError(l.to.T, err)
	for _, text := range ids {
		id, err := cassandra.ParseMessageID(text)
		require.NoError(l.to.T, err)
		var size, at int64
		require.NoError(l.to.T, l.from.CQL.Query("SELECT size, WRITETIME(size) FROM "+l.from.Keyspace+".projection WHERE mailbox_id = ? AND bucket = ? AND message_id = ?",
			[16]byte(box), id.Bucket(), [16]byte(id)).Consistency(gocql.LocalOne).Scan(&size, &at))
		require.Equal(l.to.T, id.Timestamp(), at)
		l.to.Exec("INSERT INTO KS.projection (mailbox_id, bucket, message_id, size) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", [16]byte(box), id.Bucket(), [16]byte(id), size, at)
		l.to.Exec("INSERT INTO KS.ledger (mailbox_id, bucket) VALUES (?, ?) USING TIMESTAMP 1", [16]byte(box), id.Bucket())
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

// wake boots a data centre that was killed, and waits until the stores work
// with it.
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

// Two data centres both deliver and serve, each by itself while the other is
// gone (P1). What is listed and has not arrived is found in the other data
// centre, or is missing for now (P2). What was removed stays removed (P3), and
// unique-ids are the same on both sides (P5).
func TestTwoDataCentres(t *testing.T) {
	slow.Test(t, "two nodes, which are killed in turn")
	t.Parallel()
	p := newPair(t)
	p.bothServeTheSame()
	p.oneServesAlone()
	p.twoFindsWhatHasNotArrived()
	p.twoServesAlone()
	p.twoFindsItAgain()
	p.removedStaysRemoved()
}

// pair is two data centres with a host in each, and what became of the mail so
// far.
type pair struct {
	*testing.T
	cluster          *cassandratest.Cluster
	one, two         string // the names of the data centres
	config1, config2 cassandra.Config
	store1, store2   *cassandra.Store
	server2          *pop3test.Server
	heard2           storetest.Recorder // of the statements of store2
	lag              lagging            // from one to two

	missed      []string // IDs of lost@, which are listed in two and have no content there
	small       []string // IDs of anna@, of the same kind
	large       string   // the ID of a large message of anna@, of the same kind
	torn, whole string   // IDs of halved@: of the first, a chunk is in two
	session2    mailbox.Mailbox
	doomed      string // an ID of ben@, removed in two
}

const (
	anna   = "anna@example.org"
	ben    = "ben@example.org"
	lost   = "lost@example.org"   // whose mail dc2 does not get before dc1 is gone
	halved = "halved@example.org" // of whose mail dc2 gets a part
)

func newPair(t *testing.T) *pair {
	cluster := cassandratest.Start(t, dcTopology(t))
	p := &pair{T: t, cluster: cluster, one: cluster.DCs[0].Name, two: cluster.DCs[1].Name}
	p.config1 = storetest.Migrate(t, cluster)
	require.ErrorContains(t, cassandra.Migrate(t.Context(), p.config1, cassandra.Replication{p.two: 1}), "no replicas in Config.LocalDC, "+p.one)
	p.config1.Timeout = 2 * time.Second
	p.config1.ChunkSize = 16 << 10
	p.config2 = storetest.In(p.config1, cluster, p.two)
	p.config2.Observer = p.heard2.Observe
	p.store1 = storetest.NewStore(t, p.config1)
	p.store2 = storetest.NewStore(t, p.config2)
	p.server2 = pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), p.store2))
	p.connectTables()
	return p
}

// kill kills the nodes of a data centre. One that is killed forgets the last
// 100 ms of its commit log (commitlog_sync: periodic), and a data centre may
// have no other, so that they are flushed first.
func (p *pair) kill(dc string) {
	for _, node := range p.cluster.Nodes {
		if node.DC == dc {
			_, err := p.cluster.NodeTool(p.Context(), node.Name, "flush", p.config1.Keyspace)
			require.NoError(p, err)
		}
	}
	require.NoError(p, p.cluster.Kill(dc))
}

// wake boots a data centre that was killed. The test's own sessions are new
// ones: the driver notices late that the only node of a session is back.
func (p *pair) wake(dc string) {
	p.Helper()
	wake(p.T, p.cluster, dc, p.store1, p.store2)
	p.connectTables()
}

func (p *pair) connectTables() {
	p.lag = lagging{storetest.TablesOf(p, p.cluster, p.config1), storetest.TablesOf(p, p.cluster, p.config2)}
}

// replicated waits until a store lists so many messages.
func (p *pair) replicated(store *cassandra.Store, user string, messages int) {
	storetest.Eventually(p, "replicated", func() bool { return len(storetest.List(p, store, user)) == messages })
}

// sameUIDLs requires the same unique-ids in both data centres, in the same
// order (P5).
func (p *pair) sameUIDLs(user string) {
	p.Helper()
	var uidls [2][]string
	for i, store := range []*cassandra.Store{p.store1, p.store2} {
		for _, m := range storetest.List(p, store, user) {
			uidls[i] = append(uidls[i], mailbox.UIDL(m))
		}
	}
	require.Equal(p, uidls[0], uidls[1], "P5")
}

// bothServeTheSame delivers in each and lists in the other.
func (p *pair) bothServeTheSame() {
	bodies := []string{storetest.Body(1), storetest.Body(2), storetest.BigBody(1, 100<<10), storetest.Body(4)}
	for _, text := range bodies {
		storetest.Deliver(p, p.store1, anna, text)
	}
	p.replicated(p.store2, anna, len(bodies))
	storetest.Holds(p, p.store2, anna, bodies...)
	p.sameUIDLs(anna)

	storetest.Deliver(p, p.store2, anna, storetest.Body(5))
	p.replicated(p.store1, anna, len(bodies)+1)
	storetest.Holds(p, p.store1, anna, append(bodies, storetest.Body(5))...)
	p.sameUIDLs(anna)
}

// oneServesAlone has dc1 serve its mail as ever and take more while dc2 is
// gone. dc2 comes back without any of it.
func (p *pair) oneServesAlone() {
	p.kill(p.two)
	began := time.Now()
	for i := range 20 {
		p.missed = append(p.missed, storetest.Deliver(p, p.store1, lost, storetest.Body(200+i)).ID)
	}
	for i := range 4 {
		p.small = append(p.small, storetest.Deliver(p, p.store1, anna, storetest.Body(100+i)).ID)
	}
	p.large = storetest.Deliver(p, p.store1, anna, storetest.BigBody(2, 200<<10)).ID
	p.torn = storetest.Deliver(p, p.store1, halved, storetest.BigBody(3, 200<<10)).ID
	p.whole = storetest.Deliver(p, p.store1, halved, storetest.Body(300)).ID
	require.Len(p, storetest.List(p, p.store1, anna), 10)
	require.NoError(p, storetest.Open(p, p.store1, anna).Delete(p.Context(), []string{storetest.List(p, p.store1, anna)[0].ID}))
	require.Len(p, storetest.List(p, p.store1, anna), 9)
	p.Logf("27 messages delivered, 1 removed in %s while %s is down: %s", p.one, p.two, time.Since(began))
	require.Less(p, time.Since(began), 20*time.Second, "no call waits for the other data centre")

	p.wake(p.two)
	require.Len(p, storetest.List(p, p.store2, anna), 5, "dc2 lags, and its removed message is still there")
	require.Empty(p, storetest.List(p, p.store2, lost))
}

// twoFindsWhatHasNotArrived has dc2 read messages whose listing has arrived and
// whose content has not, or not all of it (P2): it finds them in dc1, and
// neither the session nor the repair that the session asks for writes anything.
func (p *pair) twoFindsWhatHasNotArrived() {
	p.lag.listing(p.store2, anna, append(p.small, p.large)...)
	p.lag.listing(p.store2, halved, p.torn, p.whole)
	p.lag.listing(p.store2, lost, p.missed...)
	p.lag.firstChunk(p.torn)
	p.session2 = storetest.Open(p, p.store2, anna)
	listed, err := mailbox.List(p.Context(), p.session2)
	require.NoError(p, err)
	require.Len(p, listed, 10)
	require.Zero(p, p.contentInTwo(p.small[0]))
	require.Zero(p, p.contentInTwo(p.missed[0]))
	require.Zero(p, p.contentInTwo(p.large))
	require.Equal(p, 1, p.contentInTwo(p.torn))

	p.heard2.Take()
	p.readsFromOne(p.session2, p.small[0], storetest.Body(100))
	p.readsFromOne(p.session2, p.large, storetest.BigBody(2, 200<<10))
	halved2 := storetest.Open(p, p.store2, halved)
	_, err = mailbox.List(p.Context(), halved2)
	require.NoError(p, err)
	p.readsFromOne(halved2, p.torn, storetest.BigBody(3, 200<<10))
	everywhere := 0
	for _, o := range p.heard2.Take() {
		assert.True(p, strings.HasPrefix(o.Statement, "SELECT"), "P2: a miss writes nothing: %s", o.Statement)
		if o.Consistency == "EACH_QUORUM" {
			everywhere++
		}
	}
	require.NotZero(p, everywhere)

	// The repair that the session asks for reads these messages in every data
	// centre, and reading repairs.
	storetest.Eventually(p, "the messages are made whole in the background", func() bool {
		return p.contentInTwo(p.small[0]) == 1 && p.contentInTwo(p.large) > 5 && p.contentInTwo(p.torn) == p.contentInTwo(p.large)
	})
	// It counts chunks and does not read them, so that what it leaves may be
	// rows without their octets.
	p.readsFromOne(p.session2, p.small[0], storetest.Body(100))
	p.readsFromOne(halved2, p.torn, storetest.BigBody(3, 200<<10))
	p.readsFromOne(p.session2, p.small[3], storetest.Body(103))
	p.readsFromOne(halved2, p.whole, storetest.Body(300))
}

// contentInTwo counts the rows of a message's content in dc2. A read at
// LOCAL_QUORUM there repairs nothing from dc1.
func (p *pair) contentInTwo(id string) int {
	return p.lag.to.Count("SELECT count(*) FROM KS.message WHERE message_id = ?", id)
}

func (p *pair) readsFromOne(mb mailbox.Mailbox, id, want string) {
	p.Helper()
	began := time.Now()
	got, err := storetest.Read(p.Context(), mb, id)
	require.NoError(p, err)
	require.True(p, want == got, "P2: octet for octet")
	p.Logf("%d octets that are not in this data centre, or not all: %s", len(got), time.Since(began))
}

// twoServesAlone has dc2 serve its mail, take and remove more while dc1 is
// gone. What it lists and does not have is missing for now, and 100 such reads
// do not take 100 time-outs.
func (p *pair) twoServesAlone() {
	storetest.Deliver(p, p.store2, ben, storetest.Body(1))
	p.doomed = storetest.Deliver(p, p.store2, ben, storetest.Body(2)).ID
	p.replicated(p.store1, ben, 2)
	p.kill(p.one)
	p.session2 = storetest.Open(p, p.store2, lost)
	listed, err := mailbox.List(p.Context(), p.session2)
	require.NoError(p, err)
	require.Len(p, listed, len(p.missed))
	began := time.Now()
	for i := range 100 {
		_, err := storetest.Read(p.Context(), p.session2, p.missed[i%len(p.missed)])
		require.ErrorIs(p, err, mailbox.ErrTemporary)
		require.False(p, errors.Is(err, mailbox.ErrNotFound), "P2: replication lag is no such message")
	}
	p.Logf("100 misses while %s is down: %s, with a time-out of %s", p.one, time.Since(began), p.config2.Timeout)
	require.Less(p, time.Since(began), 30*time.Second)
	_, err = dial(p, p.server2, lost).Retr(p.Context(), 1)
	require.True(p, isTemporary(err), err)

	began = time.Now()
	storetest.Holds(p, p.store2, ben, storetest.Body(1), storetest.Body(2))
	storetest.Deliver(p, p.store2, ben, storetest.Body(3))
	require.NoError(p, storetest.Open(p, p.store2, ben).Delete(p.Context(), []string{p.doomed}))
	storetest.Holds(p, p.store2, ben, storetest.Body(1), storetest.Body(3))
	_, err = p.store2.Verify(p.Context(), ben)
	require.ErrorIs(p, err, mailbox.ErrTemporary, "a repair must hear every data centre")
	p.Logf("local mail in %s while %s is down: %s", p.two, p.one, time.Since(began))
}

// twoFindsItAgain: once dc1 is back, what was missing for now is found.
func (p *pair) twoFindsItAgain() {
	p.wake(p.one)
	require.Len(p, storetest.List(p, p.store1, ben), 2, "dc1 lags now, and does not know of the removal")
	began := time.Now()
	storetest.Eventually(p, "found again", func() bool {
		got, err := storetest.Read(p.Context(), p.session2, p.missed[1])
		if err != nil {
			require.ErrorIs(p, err, mailbox.ErrTemporary)
		}
		return err == nil && got == storetest.Body(201)
	})
	p.Logf("found again %s after the data centre is back", time.Since(began))
}

// removedStaysRemoved: what was removed while the other data centre was gone
// stays removed (P3), also after the operator's repair and ours, in both
// directions.
func (p *pair) removedStaysRemoved() {
	inOne, inTwo := storetest.ListIDs(p, p.store1, anna), storetest.ListIDs(p, p.store2, ben)
	require.NotContains(p, inTwo, p.doomed)
	for _, node := range []string{p.one + "-1", p.two + "-1"} {
		out, err := p.cluster.NodeTool(p.Context(), node, "repair", "-full", p.config1.Keyspace)
		require.NoError(p, err, out)
	}
	for _, config := range []cassandra.Config{p.config1, p.config2} {
		store := storetest.NewStore(p, storetest.Later(config))
		for _, user := range []string{anna, lost, halved, ben} {
			_, err := store.Repair(p.Context(), user, cassandra.RepairOptions{})
			require.NoError(p, err)
		}
		storetest.Holds(p, store, ben, storetest.Body(1), storetest.Body(3))
		found := storetest.Readable(p, store, anna)
		require.Len(p, found, 9)
		for _, id := range inOne {
			require.Contains(p, found, id)
		}
		storetest.Mend(p, store, anna)
		require.Len(p, storetest.Readable(p, store, lost), len(p.missed))
		storetest.Mend(p, store, ben)
	}
	p.sameUIDLs(anna)
	p.sameUIDLs(ben)
}
