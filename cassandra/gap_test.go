package cassandra_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// clock is a clock that a test sets.
type clock struct{ now atomic.Int64 }

func newClock(t time.Time) *clock {
	c := new(clock)
	c.set(t)
	return c
}

func (c *clock) set(t time.Time)         { c.now.Store(t.UnixMicro()) }
func (c *clock) advance(d time.Duration) { c.now.Add(d.Microseconds()) }
func (c *clock) Now() time.Time          { return time.UnixMicro(c.now.Load()) }

// P7: what was removed is not read any more once it is proven to be gone; what
// is left is listed, and a survivor that goes too lets the gaps around it merge.
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

	// The interval is not over: nothing is read.
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

// P1: an appender that is frozen before its membership is written, while
// somebody proves that the range of its ID is empty, is not acknowledged: it
// sees the fence. The sender's retry is listed once.
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

// P1: a delivery that has looked at the fences before the proof began is seen by
// the proof, however long the rest of it takes.
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

// slowIndex does not list what was added before it may go on.
type slowIndex struct {
	cassandra.Index
	goOn chan struct{}
}

func (i slowIndex) Added(ctx context.Context, mailbox cassandra.MailboxID, message cassandra.Entry) error {
	<-i.goOn
	return i.Index.Added(ctx, mailbox, message)
}

// A host whose clock is far ahead closes no range that mail will be delivered
// into for years.
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

// P1: after a change of the replication nothing is recorded as empty for a
// while: new replicas know nothing.
func TestP1NoGapSoonAfterAChangeOfReplication(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	start := time.Now().Add(-10 * 24 * time.Hour)
	clock := newClock(start)
	config.Now = clock.Now
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	first := storetest.Deliver(t, store, "demo", storetest.Body(1)).ID
	clock.advance(2 * time.Hour)

	// Somebody saw another replication last.
	tables.Exec("UPDATE KS.settings USING TIMESTAMP 2 SET replication = 'another', replication_since = 0 WHERE id = 'popcask'")
	for range 2 {
		require.NoError(t, store.Prove(t.Context(), "demo"))
		require.Empty(t, tables.Gaps(id))
		clock.advance(24 * time.Hour)
	}
	clock.advance(6 * 24 * time.Hour)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	require.NotEmpty(t, tables.Gaps(id))
	require.Equal(t, []string{first}, storetest.ListIDs(t, store, "demo"))
}

// A message that lies in a gap, as one does that a backup brought back, is
// delivered again under a new ID, and the old one removed; once, however often
// that is broken off in between. Clients know it by the unique-id that it had
// (P5).
func TestP5RepairDeliversAgainWhatLiesInAGap(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var broken atomic.Bool // between the delivery and the removal of the old one
	tampered := config
	tampered.Wrap = storetest.Tamper(func(c *storetest.Call) {
		write := strings.HasPrefix(c.Statement, "UPDATE") || strings.HasPrefix(c.Statement, "DELETE")
		c.Drop = write && broken.Load()
	})
	store := storetest.NewStore(t, tampered)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)
	hidden, err := cassandra.ParseMessageID(storetest.Deliver(t, store, "demo", storetest.Body(1)).ID)
	require.NoError(t, err)
	uidl := mailbox.UIDL(storetest.List(t, store, "demo")[0])
	other := storetest.Deliver(t, store, "demo", storetest.Body(2)).ID
	tables.Exec("INSERT INTO KS.ledger (mailbox_id, kind, start, until) VALUES (?, 'gap', ?, ?) USING TIMESTAMP ?",
		[16]byte(id), hidden.Timestamp(), hidden.Timestamp(), hidden.Timestamp())
	require.Equal(t, []string{other}, storetest.ListIDs(t, store, "demo"))
	require.Equal(t, []string{other}, storetest.ListIDs(t, storetest.NewStore(t, config), "demo"), "a process that knows nothing of the mailbox")

	broken.Store(true)
	_, err = store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	broken.Store(false)

	// For all that another repair knows, the delivery is still under way, and may
	// yet fail (P1).
	report, err := store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.ErrorContains(t, report.Findings[0].Err, "not certain yet")
	require.Equal(t, 1, tables.Content(hidden))

	report, err = storetest.NewStore(t, storetest.Later(config)).Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Equal(t, cassandra.InGap, report.Findings[0].Kind)
	require.NoError(t, report.Findings[0].Err)
	messages := storetest.List(t, store, "demo")
	require.Len(t, messages, 2)
	require.Equal(t, other, messages[0].ID)
	text, err := storetest.Read(t.Context(), storetest.Open(t, store, "demo"), messages[1].ID)
	require.NoError(t, err)
	require.Equal(t, storetest.Body(1), text)
	require.Equal(t, uidl, mailbox.UIDL(messages[1]))

	report, err = store.Verify(t.Context(), "demo")
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}

// A message in a gap is not taken for delivered again because another one shows
// its unique-id (P1): it goes without then (P5).
func TestP1AnotherMessageWithTheUniqueIDIsNotTheOneInTheGap(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	hidden := storetest.Plant{Age: 2 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true, UIDL: "foreign", Gap: true}
	hidden.Put(storetest.TablesOf(t, cluster, config), store, "demo")
	results, err := storetest.Import(t.Context(), store, "foreign", "demo")
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.Equal(t, "foreign", results[0].Message.UIDL)

	report, err := store.Repair(t.Context(), "demo", cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Equal(t, cassandra.InGap, report.Findings[0].Kind)
	require.True(t, report.Findings[0].Mended)
	found := storetest.Readable(t, store, "demo")
	require.Len(t, found, 2)
	require.Equal(t, storetest.Body(1), found[results[0].Message.ID])
	delete(found, results[0].Message.ID)
	for _, text := range found {
		require.Equal(t, hidden.Body(), text)
	}
	storetest.DistinctUIDLs(t, store, "demo")
}

// A scan also meets the mailbox of a user who was removed and created again: the
// new one does not get the mail of the old one.
func TestRepairDeliversAgainToNobodyElse(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	hidden := storetest.Plant{Age: 2 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true, Gap: true}.Put(tables, storetest.NewStore(t, config), "demo")
	config.Generation = func(string) uint32 { return 1 }
	store := storetest.NewStore(t, config)
	var found []cassandra.Finding
	_, err := store.RepairAll(t.Context(), cassandra.ScanOptions{Found: func(r cassandra.Report) { found = append(found, r.Findings...) }})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, cassandra.InGap, found[0].Kind)
	require.Error(t, found[0].Err)
	require.Empty(t, storetest.List(t, store, "demo"))
	require.Equal(t, 1, tables.Content(hidden))
}

// P1: nor is a message taken for a ghost, or its content for nobody's, where
// replicas are new: what is missing there may be elsewhere, and what is taken off
// the list does not come back.
func TestP1NothingIsRemovedSoonAfterAChangeOfReplication(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for user, p := range map[string]storetest.Plant{
		"anna": {Age: 2 * time.Hour, Listed: true, Bucket: true},
		"bob":  {Age: 2 * time.Hour, Content: "torn", Member: "live", Listed: true, Bucket: true},
		"carl": {Age: 12 * 24 * time.Hour, Content: "whole", Bucket: true},
	} {
		p.Put(tables, store, user)
	}
	tables.Exec("UPDATE KS.settings USING TIMESTAMP 2 SET replication = 'another', replication_since = 0 WHERE id = 'popcask'")
	options := cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true, Orphans: cassandra.PurgeOrphans}
	all := func(store *cassandra.Store) cassandra.Progress {
		p, err := store.RepairAll(t.Context(), cassandra.ScanOptions{RepairOptions: options})
		require.NoError(t, err)
		require.Equal(t, 3, p.Findings)
		return p
	}
	for _, user := range []string{"anna", "bob"} {
		report, err := store.Repair(t.Context(), user, options)
		require.NoError(t, err)
		require.Len(t, report.Findings, 1)
		require.Zero(t, report.Mended())
		require.Equal(t, 1, report.Postponed)
	}
	p := all(store)
	require.Zero(t, p.Mended)
	require.Equal(t, 3, p.Postponed)
	config.ReplicationRest = time.Nanosecond
	require.Equal(t, 3, all(storetest.NewStore(t, config)).Mended)
}
