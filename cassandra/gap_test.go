package cassandra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// P7: ranges that are proven to be empty are not read any more. The messages
// that are left are listed, and if one of them is removed the gaps around it
// merge.
func TestP7GapsAroundSurvivors(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	start := time.Now().Add(-6 * time.Hour).Truncate(time.Second)
	clock := newClock(start)
	config.Now = clock.Now
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)

	var ids []string
	for n := range 60 {
		ids = append(ids, storetest.Deliver(t, store, "demo", storetest.Body(n)).ID)
		clock.advance(time.Minute)
	}
	survivors := []string{ids[20], ids[40]}
	var gone []string
	for i, id := range ids {
		if i != 20 && i != 40 {
			gone = append(gone, id)
		}
	}
	storetest.Remove(t, store, "demo", gone)
	clock.set(start.Add(150 * time.Minute)) // the horizon is at 90 minutes
	require.NoError(t, store.Prove(t.Context(), "demo"))
	require.Len(t, tables.Gaps(id), 3)
	require.Equal(t, survivors, storetest.ListIDs(t, store, "demo"))

	// A process that knows nothing of the mailbox finds the same.
	require.Equal(t, survivors, storetest.ListIDs(t, storetest.NewStore(t, config), "demo"))

	// Before the interval is over nothing is read.
	seen.Take()
	require.NoError(t, store.Prove(t.Context(), "demo"))
	require.Empty(t, seen.Take())

	storetest.Remove(t, store, "demo", survivors[:1])
	clock.advance(2 * time.Hour)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	gaps := tables.Gaps(id)
	require.Len(t, gaps, 3, "no new row: the first gap has grown over the second")
	require.Equal(t, survivors[1:], storetest.ListIDs(t, store, "demo"))

	last := storetest.Deliver(t, store, "demo", storetest.Body(61)).ID
	require.Equal(t, []string{survivors[1], last}, storetest.ListIDs(t, store, "demo"))
}

// P1: a delivery is frozen before its membership is written, while another
// process proves that the range of its ID is empty. The delivery sees the fence
// and is not acknowledged. The sender's retry is listed once.
func TestP1AFrozenAppenderSeesTheFence(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.Horizon = time.Millisecond
	config.GapInterval = time.Nanosecond
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
	minted := time.Now() // or a moment before
	id, _, err := prover.Mailbox("demo")
	require.NoError(t, err)
	storetest.Eventually(t, "a fence above the frozen ID", func() bool {
		require.NoError(t, prover.Prove(t.Context(), "demo"))
		fence, err := prover.Fence(t.Context(), id)
		require.NoError(t, err)
		return fence > minted.UnixMicro()
	})
	close(thaw)
	require.ErrorIs(t, <-result, mailbox.ErrTemporary)
	require.Equal(t, []string{first}, storetest.ListIDs(t, prover, "demo"))
	storetest.CloseStore(t, appender)
	again := storetest.Deliver(t, prover, "demo", storetest.Body(2)).ID
	require.Equal(t, []string{first, again}, storetest.ListIDs(t, prover, "demo"))
}

// P1: a proof sees a delivery that has read the fence before the proof began,
// even if the rest of the delivery takes long.
func TestP1AProofSeesASlowDelivery(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.Horizon = time.Millisecond
	config.GapInterval = time.Nanosecond
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
	result := make(chan error)
	go func() {
		_, err := storetest.TryDeliver(t.Context(), store, "demo", storetest.Body(1))
		result <- err
	}()
	<-looked

	config.Observer = nil
	prover := storetest.NewStore(t, config)
	id, _, err := prover.Mailbox("demo")
	require.NoError(t, err)
	now := time.Now().UnixMicro()
	storetest.Eventually(t, "a fence above the ID", func() bool {
		require.NoError(t, prover.Prove(t.Context(), "demo"))
		fence, err := prover.Fence(t.Context(), id)
		require.NoError(t, err)
		return fence > now
	})
	close(slow.goOn)
	require.NoError(t, <-result)
	require.Len(t, storetest.List(t, prover, "demo"), 1)
}

// A host whose clock is far ahead proves nothing: its fence would refuse mail
// for years.
func TestAClockFarAheadProvesNothing(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	right := storetest.NewStore(t, config)
	config.Now = func() time.Time { return time.Now().AddDate(10, 0, 0) }
	ahead := storetest.NewStore(t, config)
	storetest.Deliver(t, ahead, "demo", storetest.Body(1))
	require.ErrorContains(t, ahead.Prove(t.Context(), "demo"), "ahead of a node's")
	storetest.Deliver(t, right, "demo", storetest.Body(2))
	require.Len(t, storetest.List(t, right, "demo"), 2)
}
