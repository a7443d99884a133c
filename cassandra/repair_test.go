package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

const (
	oldEnough = 2 * time.Hour // old enough to be a finding
	tooYoung  = time.Minute   // it may be a delivery that is under way
)

// planted is a message that is not as it should be, with what a repair does.
type planted struct {
	name   string
	plant  storetest.Plant
	found  cassandra.FindingKind // "": nothing
	listed bool                  // after the repair
}

// The findings of [cassandra.FindingKind] in their variants.
var plantedMessages = []planted{
	{"all is well", storetest.Plant{Age: oldEnough, Content: "whole", Member: "live", Listed: true, Bucket: true}, "", true},
	{"all is well, chunked", storetest.Plant{Age: oldEnough, Content: "chunked", Member: "live", Listed: true, Bucket: true}, "", true},
	{"nothing at all", storetest.Plant{Age: oldEnough}, "", false},
	{"not listed", storetest.Plant{Age: oldEnough, Content: "whole", Member: "live", Bucket: true}, cassandra.NotListed, true},
	{"not listed, chunked", storetest.Plant{Age: oldEnough, Content: "chunked", Member: "live", Bucket: true}, cassandra.NotListed, true},
	{"not listed, with a foreign unique-id", storetest.Plant{Age: oldEnough, Content: "whole", Member: "live", Bucket: true, UIDL: "foreign-1"}, cassandra.NotListed, true},
	{"marked", storetest.Plant{Age: oldEnough, Content: "whole", Member: "removed", Listed: true, Bucket: true}, cassandra.NotRemoved, false},
	{"marked, young", storetest.Plant{Age: tooYoung, Content: "whole", Member: "removed", Listed: true, Bucket: true}, cassandra.NotRemoved, false},
	{"marked, not listed", storetest.Plant{Age: oldEnough, Content: "chunked", Member: "removed", Bucket: true}, cassandra.NotRemoved, false},
	{"marked, without content", storetest.Plant{Age: oldEnough, Member: "removed", Bucket: true}, cassandra.NotRemoved, false},
	{"content absent", storetest.Plant{Age: oldEnough, Member: "live", Listed: true, Bucket: true}, cassandra.NotComplete, false},
	{"content absent, not listed", storetest.Plant{Age: oldEnough, Member: "live", Bucket: true}, cassandra.NotComplete, false},
	{"content unfinished", storetest.Plant{Age: oldEnough, Content: "unfinished", Member: "live", Listed: true, Bucket: true}, cassandra.NotComplete, false},
	{"content torn", storetest.Plant{Age: oldEnough, Content: "torn", Member: "live", Listed: true, Bucket: true}, cassandra.NotComplete, false},
	{"not a member", storetest.Plant{Age: oldEnough, Content: "whole", Listed: true, Bucket: true}, cassandra.NotMember, true},
	{"not a member, chunked, with a foreign unique-id", storetest.Plant{Age: oldEnough, Content: "chunked", Listed: true, Bucket: true, UIDL: "foreign-2"}, cassandra.NotMember, true},
	{"ghost", storetest.Plant{Age: oldEnough, Listed: true, Bucket: true}, cassandra.Ghost, false},
	{"ghost with unfinished content", storetest.Plant{Age: oldEnough, Content: "unfinished", Listed: true, Bucket: true}, cassandra.Ghost, false},
	{"ghost with torn content", storetest.Plant{Age: oldEnough, Content: "torn", Listed: true, Bucket: true}, cassandra.Ghost, false},
	{"sealed, content unfinished", storetest.Plant{Age: oldEnough, Content: "unfinished", Member: "live", Bucket: true, Sealed: true}, cassandra.NotComplete, false},
	{"sealed, content absent", storetest.Plant{Age: oldEnough, Member: "live", Listed: true, Bucket: true, Sealed: true}, cassandra.NotComplete, false},
	{"sealed", storetest.Plant{Age: oldEnough, Content: "whole", Member: "live", Listed: true, Bucket: true, Sealed: true}, cassandra.Hidden, true},
	{"sealed, not listed", storetest.Plant{Age: oldEnough, Content: "whole", Member: "live", Bucket: true, Sealed: true}, cassandra.Hidden, true},
	{"sealed, young", storetest.Plant{Age: tooYoung, Content: "whole", Member: "live", Listed: true, Bucket: true, Sealed: true}, cassandra.Hidden, true},
	{"sealed, chunked, with a foreign unique-id", storetest.Plant{Age: oldEnough, Content: "chunked", Member: "live", Listed: true, Bucket: true, Sealed: true, UIDL: "foreign-3"}, cassandra.Hidden, true},
	{"sealed, and marked", storetest.Plant{Age: oldEnough, Content: "whole", Member: "removed", Listed: true, Bucket: true, Sealed: true}, cassandra.NotRemoved, false},
	{"no bucket", storetest.Plant{Age: oldEnough, Content: "whole", Member: "live", Listed: true}, cassandra.NoBucket, true},
	{"no bucket, months ago", storetest.Plant{Age: 100 * 24 * time.Hour, Content: "whole", Member: "live", Listed: true}, cassandra.NoBucket, true},
	{"not listed, days ago", storetest.Plant{Age: 9 * 24 * time.Hour, Content: "whole", Member: "live", Bucket: true}, cassandra.NotListed, true},
}

// P1: what is planted is what Verify finds, and Repair mends it. A second
// Repair finds nothing, and every message that is listed then can be read.
func TestP1RepairMendsWhatIsPlanted(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for _, p := range plantedMessages {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.check(t, storetest.Tables{T: t, CQL: tables.CQL, Keyspace: tables.Keyspace}, store)
		})
	}

	// A young message may be a delivery that is under way: it is counted and
	// left alone.
	for _, p := range []storetest.Plant{
		{Age: tooYoung, Content: "whole", Member: "live", Bucket: true},
		{Age: tooYoung, Member: "live", Listed: true, Bucket: true},
		{Age: tooYoung, Member: "live", Bucket: true},
		{Age: tooYoung, Content: "unfinished", Member: "live", Bucket: true},
		{Age: tooYoung, Content: "whole", Listed: true, Bucket: true},
		{Age: tooYoung, Listed: true, Bucket: true},
	} {
		t.Run(fmt.Sprintf("young/%s/%s/%t", p.Content, p.Member, p.Listed), func(t *testing.T) {
			t.Parallel()
			tables := storetest.Tables{T: t, CQL: tables.CQL, Keyspace: tables.Keyspace}
			user := fmt.Sprintf("young-%s-%s-%t@example.org", p.Content, p.Member, p.Listed)
			p.Put(tables, store, user)
			for range 2 {
				report, err := store.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
				require.NoError(t, err)
				require.Empty(t, report.Findings)
				require.Equal(t, 1, report.Postponed)
			}
		})
	}
}

// check plants the message, beside a healthy neighbour, and has it verified and
// repaired.
func (p planted) check(t *testing.T, tables storetest.Tables, store *cassandra.Store) {
	t.Helper()
	user := strings.NewReplacer(" ", "-", ",", "").Replace(p.name) + "@example.org"
	neighbour := storetest.Plant{Age: oldEnough, Content: "whole", Member: "live", Listed: true, Bucket: true}
	var other cassandra.MessageID
	if p.name != "no bucket" { // a neighbour would have written the row
		other = neighbour.Put(tables, store, user)
	}
	id := p.plant.Put(tables, store, user)
	bucket := id.Bucket()
	for range 2 { // Verify changes nothing
		report, err := store.Verify(t.Context(), user)
		require.NoError(t, err)
		require.Zero(t, report.Mended())
		requireFinding(t, report, p.found, id, bucket)
	}
	p.repair(t, store, user, id, bucket)

	found := storetest.Readable(t, store, user)
	if (other != cassandra.MessageID{}) {
		require.Equal(t, neighbour.Body(), found[other.String()], "its neighbour is as it was")
		delete(found, other.String())
	}
	if !p.listed {
		require.Empty(t, found)
		return
	}
	require.Equal(t, map[string]string{id.String(): p.plant.Body()}, found)
	for _, m := range storetest.List(t, store, user) {
		if m.ID == id.String() {
			require.Equal(t, p.plant.UIDL, m.UIDL, "P5: a unique-id never changes")
		}
	}
}

// repair repairs the mailbox: first with no option, which neither removes what
// is incomplete nor takes a ghost off the list, then with all of them.
func (p planted) repair(t *testing.T, store *cassandra.Store, user string, id cassandra.MessageID, bucket int64) {
	t.Helper()
	all := cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true}
	report, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
	require.NoError(t, err)
	requireFinding(t, report, p.found, id, bucket)
	if p.found == cassandra.Ghost || p.found == cassandra.NotComplete {
		require.Zero(t, report.Mended())
		verified, err := store.Verify(t.Context(), user)
		require.NoError(t, err)
		requireFinding(t, verified, p.found, id, bucket)
		report, err = store.Repair(t.Context(), user, all)
		require.NoError(t, err)
	}
	require.Equal(t, len(report.Findings), report.Mended())
	again, err := store.Repair(t.Context(), user, all)
	require.NoError(t, err)
	require.Empty(t, again.Findings)
	require.Zero(t, again.Postponed)
}

func requireFinding(t testing.TB, report cassandra.Report, kind cassandra.FindingKind, id cassandra.MessageID, bucket int64) {
	t.Helper()
	if kind == "" {
		require.Empty(t, report.Findings)
		return
	}
	require.Len(t, report.Findings, 1)
	f := report.Findings[0]
	require.Equal(t, kind, f.Kind)
	require.Equal(t, bucket, f.Bucket)
	if kind != cassandra.NoBucket {
		require.Equal(t, id, f.ID)
	}
	require.NoError(t, f.Err)
}

// resurrection is a store with repairs that must not bring back what is
// removed.
type resurrection struct {
	config   cassandra.Config
	tables   storetest.Tables
	store    *cassandra.Store
	index    *faultyIndex // the store's
	repairer *cassandra.Store
	other    *faultyIndex // the repairer's
}

// P3: whatever a repair finds of a message that was removed, it cannot bring it
// back: not if rows of its delivery come late, and not if it is removed between
// the look and the mending.
func TestP3RepairCannotResurrect(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	r := resurrection{config: config, tables: storetest.TablesOf(t, cluster, config)}
	r.store, r.index = newFaultyStore(t, config)
	r.repairer, r.other = newFaultyStore(t, storetest.Later(config))
	t.Run("late rows", r.lateRows)
	t.Run("removed between the look and the mending", r.removedBetween)
	t.Run("repairs and removals side by side", r.sideBySide)
}

func (r resurrection) lateRows(t *testing.T) {
	for i, late := range []storetest.Plant{
		{Content: "whole", Member: "live", Listed: true, Bucket: true},
		{Content: "whole", Member: "live"},
		{Content: "whole", Listed: true},
		{Listed: true},
		{Member: "live"},
		{Content: "whole"},
	} {
		user := fmt.Sprintf("late-%d@example.org", i)
		m := storetest.Deliver(t, r.store, user, storetest.Body(1))
		keep := storetest.Deliver(t, r.store, user, storetest.Body(2))
		require.NoError(t, storetest.Open(t, r.store, user).Delete(t.Context(), []string{m.ID}))
		bucket := bucketNow(t, r.store)
		storetest.Eventually(t, "purged", func() bool { return r.tables.Members(r.store, user, bucket) == 1 })
		id, err := cassandra.ParseMessageID(m.ID)
		require.NoError(t, err)
		late.Write(r.tables, r.store, user, id)
		report, err := r.repairer.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
		require.NoError(t, err)
		require.Empty(t, report.Findings)
		require.Equal(t, map[string]string{keep.ID: storetest.Body(2)}, storetest.Readable(t, r.store, user))
	}
}

func (r resurrection) removedBetween(t *testing.T) {
	const user = "race@example.org"
	r.index.hurt(func(context.Context, cassandra.MailboxID, func() error) error { return nil }, nil) // lists nothing
	var ids []string
	for i := range 3 {
		ids = append(ids, storetest.Deliver(t, r.store, user, storetest.Body(i)).ID)
	}
	r.index.heal()
	require.Empty(t, storetest.List(t, r.store, user))
	done := false
	r.other.mu.Lock()
	r.other.restore = func(_ context.Context, goOn func() error) error {
		if !done {
			done = true
			assert.NoError(t, storetest.Open(t, r.store, user).Delete(t.Context(), ids))
		}
		return goOn()
	}
	r.other.mu.Unlock()
	report, err := r.repairer.Repair(t.Context(), user, cassandra.RepairOptions{})
	require.NoError(t, err)
	require.Len(t, report.Findings, 3)
	require.True(t, done)
	require.Empty(t, storetest.List(t, r.store, user))
	storetest.Eventually(t, "purged", func() bool { return r.tables.Members(r.store, user, bucketNow(t, r.store)) == 0 })
	storetest.Consistent(t, r.config, user)
	require.Empty(t, storetest.List(t, r.store, user))
}

func (r resurrection) sideBySide(t *testing.T) {
	const user, messages = "busy@example.org", 60
	r.index.hurt(nil, func(_ context.Context, goOn func() error) error {
		return errors.Join(errFault, goOn()) // marks, and says that it failed
	})
	var ids []string
	for i := range messages {
		ids = append(ids, storetest.Deliver(t, r.store, user, storetest.Body(i)).ID)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			if _, err := r.repairer.Repair(ctx, user, cassandra.RepairOptions{}); ctx.Err() == nil {
				assert.NoError(t, err)
			}
		}
	})
	mb := storetest.Open(t, r.store, user)
	for _, id := range ids[:messages/2] {
		mb.Delete(t.Context(), []string{id})
		for _, m := range storetest.List(t, r.store, user) {
			require.NotEqual(t, id, m.ID, "P3: it is back")
		}
	}
	cancel()
	group.Wait()
	r.index.heal()
	_, err := r.repairer.Repair(t.Context(), user, cassandra.RepairOptions{})
	require.NoError(t, err)
	storetest.Consistent(t, r.config, user)
	found := storetest.Readable(t, r.store, user)
	require.Len(t, found, messages/2)
	for i, id := range ids[messages/2:] {
		require.Equal(t, storetest.Body(messages/2+i), found[id])
	}
}

// P2: what a repair lists can be read. A chunk whose row is there without its
// data is missing: reads that count chunks leave such a row behind, if the
// chunk had reached almost no replica.
func TestP2RepairListsOnlyWhatCanBeRead(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for user, p := range map[string]storetest.Plant{
		"anna": {Age: 2 * time.Hour, Content: "torn", Member: "live", Bucket: true},
		"bob":  {Age: 2 * time.Hour, Content: "torn", Bucket: true},
		"carl": {Age: 2 * time.Hour, Content: "torn", Member: "live", Listed: true, Bucket: true, Sealed: true},
	} {
		id := p.Put(tables, store, user)
		tables.Exec("INSERT INTO KS.message (message_id, chunk) VALUES (?, 1) USING TIMESTAMP ?", [16]byte(id), cassandra.AddedAt(id))
	}
	options := cassandra.ScanOptions{RepairOptions: cassandra.RepairOptions{Orphans: cassandra.RestoreOrphans}}
	options.Found = func(r cassandra.Report) { require.ErrorContains(t, r.Findings[0].Err, "not complete") }
	p, err := store.RepairAll(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, 3, p.Findings)
	require.Zero(t, p.Mended)
	for _, user := range []string{"anna", "bob", "carl"} {
		require.Empty(t, storetest.List(t, store, user))
	}
}
