package cassandra_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// aLife is a horizon with which a host may deliver whatever its clock says.
const aLife = 100 * 365 * 24 * time.Hour

// deliverAt delivers messages at a time, a minute apart, and returns their IDs.
func deliverAt(t testing.TB, config cassandra.Config, user string, at time.Time, messages int) (ids []string) {
	t.Helper()
	clock := newClock(at)
	config.Now = clock.Now
	config.Horizon = aLife
	store := storetest.NewStore(t, config)
	for n := range messages {
		ids = append(ids, storetest.Deliver(t, store, user, storetest.Body(n)).ID)
		clock.advance(time.Minute)
	}
	return ids
}

// P7: a proof asks every replica, and waits until it reaches a good deal
// further than the last one. A later one leaves out what was removed since.
func TestP7TheNextProofWaits(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1 // only when the test asks
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	ids := deliverAt(t, config, "demo", time.Now().Add(-3*time.Hour), 5)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	first := sealOf(t, tables, box, ids[0])
	require.Equal(t, 5, first.Sealed)
	require.WithinDuration(t, time.Now().Add(-time.Hour), time.UnixMicro(first.Until), time.Minute)

	storetest.Remove(t, store, "demo", ids[:2])
	seen.Take()
	other := storetest.NewStore(t, config) // which remembers nothing
	for _, prover := range []*cassandra.Store{store, other} {
		seen.Take()
		require.NoError(t, prover.Prove(t.Context(), "demo"))
		for _, o := range seen.Take() {
			require.Equal(t, "LOCAL_QUORUM", o.Consistency, o.Statement)
		}
	}
	require.Equal(t, first, sealOf(t, tables, box, ids[0]))
	require.Equal(t, ids[2:], storetest.ListIDs(t, store, "demo"))

	config.Horizon = time.Minute
	later := storetest.NewStore(t, config)
	require.NoError(t, later.Prove(t.Context(), "demo"))
	second := sealOf(t, tables, box, ids[0])
	require.Equal(t, 3, second.Sealed)
	require.Greater(t, second.Until, first.Until)
	require.Equal(t, ids[2:], storetest.ListIDs(t, store, "demo"))
}

// sealOf returns the row of the bucket that a message is in.
func sealOf(t testing.TB, tables storetest.Tables, box cassandra.MailboxID, message string) storetest.Row {
	t.Helper()
	row, ok := tables.Ledger(box)[parseID(t, message).Bucket()]
	require.True(t, ok, "the bucket has a row")
	return row
}

// P7: an old message is never removed. What passes through after it is sealed
// all the same, in its own bucket and in the later ones, and a bucket whose
// time is over goes from the ledger when nothing is left in it.
func TestP7AnOldMessageStopsNoProof(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1 // only when the test asks
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	now := time.Now()
	old := deliverAt(t, config, "demo", now.Add(-2*month), 20)
	between := deliverAt(t, config, "demo", now.Add(-month), 20)
	recent := deliverAt(t, config, "demo", now.Add(-2*time.Hour), 20)
	before := tables.Ledger(box)
	require.Len(t, before, 3)
	storetest.Remove(t, store, "demo", append(append(old[1:20:20], between...), recent...))
	require.NoError(t, store.Prove(t.Context(), "demo"))
	require.Equal(t, 1, sealOf(t, tables, box, old[0]).Sealed)
	require.Zero(t, sealOf(t, tables, box, recent[0]).Sealed)
	require.NotZero(t, sealOf(t, tables, box, recent[0]).Until)
	require.Len(t, tables.Ledger(box), 2, "the bucket in between is gone")
	require.Equal(t, old[:1], storetest.ListIDs(t, store, "demo"))
	require.Equal(t, old[:1], storetest.ListIDs(t, storetest.NewStore(t, config), "demo"))
}

// P7: a bucket is sealed up to its end while a message stays in it. When that
// one goes too, the row goes with the next look at the mailbox, whichever bucket
// the look is for. (In a mailbox in which mail stays for 14 days such rows were
// kept: 12 after five years.)
func TestP7AFinishedBucketGoesAfterItsLastMessage(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	old := deliverAt(t, config, "demo", time.Now().Add(-2*month), 3)
	storetest.Remove(t, store, "demo", old[1:])
	provable(t, store, "demo")
	require.Equal(t, 1, sealOf(t, tables, box, old[0]).Sealed)
	storetest.Remove(t, store, "demo", old[:1])
	recent := storetest.Deliver(t, store, "demo", storetest.Body(1)).ID
	storetest.Eventually(t, "the row goes", func() bool {
		require.NoError(t, store.ProveFor(t.Context(), "demo", 1e9, parseID(t, recent).Bucket()))
		_, ok := tables.Ledger(box)[parseID(t, old[0]).Bucket()]
		return !ok
	})
	require.Equal(t, []string{recent}, storetest.ListIDs(t, store, "demo"))
}

// P7: most of an old bucket is removed long after its time. Its tombstones are
// young, and no session reads them after a proof.
func TestP7AnOldBucketIsDrainedLate(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1 // only when the test asks
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	begin := time.UnixMicro(cassandra.BucketSlice(bucketNow(t, store)).From).Add(-2 * month)
	var ids []string
	for n := range 20 {
		id := idOf(begin.Add(time.Duration(n)*time.Hour), 0)
		storetest.Plant{Content: "whole", Member: "live", Listed: true, Bucket: true}.Write(tables, store, "demo", id)
		ids = append(ids, id.String())
	}
	storetest.Remove(t, store, "demo", ids[2:])
	require.NoError(t, store.Prove(t.Context(), "demo"))
	seen.Take()
	require.Equal(t, ids[:2], storetest.ListIDs(t, store, "demo"))
	for _, o := range seen.Take() {
		if strings.Contains(o.Statement, "FROM projection") {
			require.Contains(t, o.Statement, "message_id IN")
		}
	}
}

// P1: a proof writes its fence on every replica, of every data centre, before
// it reads, and reads the row, the memberships and the listing on every replica
// too.
func TestP1AProofAsksEveryReplica(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1 // only when the test asks
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	deliverAt(t, config, "demo", time.Now().Add(-3*time.Hour), 5)
	seen.Take()
	require.NoError(t, store.Prove(t.Context(), "demo"))
	all := seen.Take()
	var fenced time.Time
	for _, o := range all {
		if strings.HasPrefix(o.Statement, "INSERT INTO ledger") && strings.Contains(o.Statement, "fence") {
			require.Equal(t, "ALL", o.Consistency)
			fenced = o.End
		}
	}
	require.False(t, fenced.IsZero())
	read := make(map[string]bool)
	for _, o := range all {
		if o.Consistency == "ALL" && strings.HasPrefix(o.Statement, "SELECT") {
			require.False(t, o.Start.Before(fenced), "%s: before the fence is there", o.Statement)
			for _, table := range []string{"ledger", "mailbox_message", "projection"} {
				if strings.Contains(o.Statement, "FROM "+table+" ") {
					read[table] = true
				}
			}
		}
	}
	require.Len(t, read, 3)
}

// P1: a replica does not answer. The fence is not everywhere, or not everything
// is read: nothing is sealed, and nothing is missing from the listing.
func TestP1NoSealWithoutEveryReplica(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1 // only when the test asks
	tables := storetest.TablesOf(t, cluster, config)
	reads := func(table string) func(cql.Level, string) bool {
		return func(level cql.Level, statement string) bool {
			return level == cql.All && strings.Contains(statement, "FROM "+table)
		}
	}
	for user, fails := range map[string]func(cql.Level, string) bool{
		"fence": func(_ cql.Level, statement string) bool {
			return strings.HasPrefix(statement, "INSERT INTO ledger") && strings.Contains(statement, "fence")
		},
		"row":         reads("ledger"),
		"memberships": reads("mailbox_message"),
		"index":       reads("projection"),
	} {
		t.Run(user, func(t *testing.T) {
			ids := deliverAt(t, config, user, time.Now().Add(-3*time.Hour), 5)
			broken := config
			broken.Wrap = func(db cql.DB) cql.DB { return faultyDB{db, fails} }
			store := storetest.NewStore(t, broken)
			require.ErrorIs(t, store.Prove(t.Context(), user), errFault)
			box, _, err := store.Mailbox(user)
			require.NoError(t, err)
			require.Zero(t, sealOf(t, tables, box, ids[0]).Until)
			require.Equal(t, ids, storetest.ListIDs(t, store, user))
		})
	}
}

// faultyDB is a DB of which some statements fail.
type faultyDB struct {
	cql.DB
	fails func(level cql.Level, statement string) bool
}

// Exec implements [cql.DB].
func (d faultyDB) Exec(ctx context.Context, level cql.Level, st *cql.Statement, timestamp int64, values ...any) error {
	if d.fails(level, st.String()) {
		return errFault
	}
	return d.DB.Exec(ctx, level, st, timestamp, values...)
}

// Page implements [cql.DB].
func (d faultyDB) Page(ctx context.Context, level cql.Level, st *cql.Statement, state []byte, scan func(cql.Row) error, values ...any) ([]byte, error) {
	if d.fails(level, st.String()) {
		return nil, errFault
	}
	return d.DB.Page(ctx, level, st, state, scan, values...)
}

// P1: a delivery is frozen before its membership is written, while another
// process seals the mailbox beyond its ID. The delivery sees the fence and is
// not acknowledged. The sender's retry is listed once.
func TestP1AFrozenAppenderSeesTheFence(t *testing.T) {
	t.Parallel()
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.Horizon = 2 * time.Second
	prover := storetest.NewStore(t, config)
	first := storetest.Deliver(t, prover, "demo", storetest.Body(1)).ID

	frozen, thaw := make(chan struct{}), make(chan struct{})
	config.UID = func() uint32 { // it is asked for right before the membership is written
		close(frozen)
		<-thaw
		return 1
	}
	appender := storetest.NewStore(t, config)
	result := make(chan error)
	go func() {
		_, err := storetest.TryDeliver(t.Context(), appender, "demo", storetest.Body(2))
		result <- err
	}()
	<-frozen
	provable(t, prover, "demo") // the ID was minted a moment before
	close(thaw)
	err := <-result
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.ErrorContains(t, err, refused)
	require.Equal(t, []string{first}, storetest.ListIDs(t, prover, "demo"))
	storetest.CloseStore(t, appender)
	again := storetest.Deliver(t, prover, "demo", storetest.Body(2)).ID
	require.Equal(t, []string{first, again}, storetest.ListIDs(t, prover, "demo"))
}

// P1: a proof sees a delivery that has read the fence before the proof began,
// even if the rest of the delivery takes long.
func TestP1AProofSeesASlowDelivery(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.Horizon = 2 * time.Second
	looked := make(chan struct{})
	config.Observer = func(o cassandra.Observation) {
		if strings.Contains(o.Statement, "FROM ledger") {
			close(looked)
		}
	}
	session := storetest.Connect(t, config)
	slow := slowIndex{projection.New(session), make(chan struct{})}
	store, err := cassandra.NewStore(session, slow)
	require.NoError(t, err)
	t.Cleanup(func() { storetest.CloseStore(t, store) })
	result := make(chan mailbox.Message)
	go func() {
		m, err := storetest.TryDeliver(t.Context(), store, "demo", storetest.Body(1))
		assert.NoError(t, err)
		result <- m
	}()
	<-looked

	config.Observer = nil
	prover := storetest.NewStore(t, config)
	provable(t, prover, "demo")
	box, _, err := prover.Mailbox("demo")
	require.NoError(t, err)
	require.Equal(t, 1, storetest.TablesOf(t, cluster, config).Ledger(box)[bucketNow(t, prover)].Sealed)
	close(slow.goOn)
	m := <-result
	require.Equal(t, []string{m.ID}, storetest.ListIDs(t, prover, "demo"))
}

// P1: a host whose clock is far from a node's seals nothing: a fence of years
// ahead would refuse mail for years. One that is behind takes no mail either.
func TestP1AClockFarAwayProvesNothing(t *testing.T) {
	t.Parallel()
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.SealAfter = -1 // only when the test asks
	right := storetest.NewStore(t, config)
	box, _, err := right.Mailbox("demo")
	require.NoError(t, err)
	var want []string
	for _, now := range []func() time.Time{
		func() time.Time { return time.Now().AddDate(10, 0, 0) },
		func() time.Time { return time.Now().AddDate(-10, 0, 0) },
		func() time.Time { return time.Now().Add(time.Hour + 10*time.Minute) },
		func() time.Time { return time.Now().Add(-time.Hour - 10*time.Minute) },
	} {
		off := config
		off.Now = now
		store := storetest.NewStore(t, off)
		if now().After(time.Now()) {
			want = append(want, storetest.Deliver(t, store, "demo", storetest.Body(1)).ID)
		}
		require.ErrorContains(t, store.Prove(t.Context(), "demo"), "the clocks of this host and of a node are ")
		fence, err := right.Fence(t.Context(), box)
		require.NoError(t, err)
		require.Zero(t, fence)
		want = append(want, storetest.Deliver(t, right, "demo", storetest.Body(2)).ID)
		require.ElementsMatch(t, want, storetest.ListIDs(t, right, "demo"))
	}
}
