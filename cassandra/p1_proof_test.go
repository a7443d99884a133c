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

// P1: a host whose clock is years ahead, or behind, proves nothing and notes no
// change of the replication. One whose clock is right notes it, by the clock of
// a node, and proves nothing until the replication has rested.
func TestP1ClocksApartProveNothing(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := sealing(storetest.Migrate(t, cluster))
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	storetest.Plant{Age: time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(tables, store, "demo")
	tables.Exec("INSERT INTO KS.settings (id, replication, replication_since) VALUES ('popcask', 'another', 5) USING TIMESTAMP 5")
	noted := func() (text string, since int64) {
		require.NoError(t, tables.CQL.Query(tables.In("SELECT replication, replication_since FROM KS.settings WHERE id = 'popcask'")).Scan(&text, &since))
		return text, since
	}
	for _, years := range []int{-5, 5} {
		wrong := config
		wrong.Now = func() time.Time { return time.Now().AddDate(years, 0, 0) }
		err := storetest.NewStore(t, wrong).Prove(t.Context(), "demo")
		require.ErrorContains(t, err, "apart: nothing is proven until they agree")
		text, _ := noted()
		require.Equal(t, "another", text)
	}
	require.ErrorContains(t, store.Prove(t.Context(), "demo"), "ReplicationRest")
	text, since := noted()
	require.NotEqual(t, "another", text)
	require.WithinDuration(t, time.Now(), time.UnixMicro(since), time.Minute)
	require.Zero(t, tables.Ledger(box)[bucketNow(t, store)].Until)
	config.ReplicationRest = time.Millisecond
	require.NoError(t, storetest.NewStore(t, config).Prove(t.Context(), "demo"))
	require.Equal(t, 1, tables.Ledger(box)[bucketNow(t, store)].Sealed)
}

// P1: a proof writes its fence on every replica, of every data centre, before
// it reads, and reads the row, the memberships and the listing on every replica
// too.
func TestP1AProofAsksEveryReplica(t *testing.T) {
	t.Parallel()
	_, config := provenByHand(t)
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
	cluster, config := provenByHand(t)
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
	_, config := provenByHand(t)
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
