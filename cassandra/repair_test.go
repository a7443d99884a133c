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

// Each row of the design's table of repairs: what is planted, what Verify finds,
// what Repair does. A second Repair finds nothing, and what is listed then can be
// read.
func TestP1RepairMendsWhatIsPlanted(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	const old, young = 2 * time.Hour, time.Minute
	none := cassandra.FindingKind("")

	for _, test := range []struct {
		name   string
		plant  storetest.Plant
		found  cassandra.FindingKind
		listed bool // after the repair
	}{
		{"all is well", storetest.Plant{Age: old, Content: "whole", Member: "live", Listed: true, Bucket: true}, none, true},
		{"all is well, chunked", storetest.Plant{Age: old, Content: "chunked", Member: "live", Listed: true, Bucket: true}, none, true},
		{"nothing at all", storetest.Plant{Age: old}, none, false},
		{"not listed", storetest.Plant{Age: old, Content: "whole", Member: "live", Bucket: true}, cassandra.NotListed, true},
		{"not listed, chunked", storetest.Plant{Age: old, Content: "chunked", Member: "live", Bucket: true}, cassandra.NotListed, true},
		{"not listed, with a foreign unique-id", storetest.Plant{Age: old, Content: "whole", Member: "live", Bucket: true, UIDL: "foreign-1"}, cassandra.NotListed, true},
		{"marked", storetest.Plant{Age: old, Content: "whole", Member: "removed", Listed: true, Bucket: true}, cassandra.NotRemoved, false},
		{"marked, young", storetest.Plant{Age: young, Content: "whole", Member: "removed", Listed: true, Bucket: true}, cassandra.NotRemoved, false},
		{"marked, not listed", storetest.Plant{Age: old, Content: "chunked", Member: "removed", Bucket: true}, cassandra.NotRemoved, false},
		{"marked, without content", storetest.Plant{Age: old, Member: "removed", Bucket: true}, cassandra.NotRemoved, false},
		{"content absent", storetest.Plant{Age: old, Member: "live", Listed: true, Bucket: true}, cassandra.NotComplete, false},
		{"content absent, not listed", storetest.Plant{Age: old, Member: "live", Bucket: true}, cassandra.NotComplete, false},
		{"content unfinished", storetest.Plant{Age: old, Content: "unfinished", Member: "live", Listed: true, Bucket: true}, cassandra.NotComplete, false},
		{"content torn", storetest.Plant{Age: old, Content: "torn", Member: "live", Listed: true, Bucket: true}, cassandra.NotComplete, false},
		{"not a member", storetest.Plant{Age: old, Content: "whole", Listed: true, Bucket: true}, cassandra.NotMember, true},
		{"not a member, chunked, with a foreign unique-id", storetest.Plant{Age: old, Content: "chunked", Listed: true, Bucket: true, UIDL: "foreign-2"}, cassandra.NotMember, true},
		{"ghost", storetest.Plant{Age: old, Listed: true, Bucket: true}, cassandra.Ghost, false},
		{"ghost with unfinished content", storetest.Plant{Age: old, Content: "unfinished", Listed: true, Bucket: true}, cassandra.Ghost, false},
		{"ghost with torn content", storetest.Plant{Age: old, Content: "torn", Listed: true, Bucket: true}, cassandra.Ghost, false},
		{"in a gap, content unfinished", storetest.Plant{Age: old, Content: "unfinished", Member: "live", Bucket: true, Gap: true}, cassandra.NotComplete, false},
		{"in a gap, content absent", storetest.Plant{Age: old, Member: "live", Listed: true, Bucket: true, Gap: true}, cassandra.NotComplete, false},
		{"no bucket", storetest.Plant{Age: old, Content: "whole", Member: "live", Listed: true}, cassandra.NoBucket, true},
		{"no bucket, months ago", storetest.Plant{Age: 100 * 24 * time.Hour, Content: "whole", Member: "live", Listed: true}, cassandra.NoBucket, true},
		{"not listed, days ago", storetest.Plant{Age: 9 * 24 * time.Hour, Content: "whole", Member: "live", Bucket: true}, cassandra.NotListed, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			user := strings.NewReplacer(" ", "-", ",", "").Replace(test.name) + "@example.org"
			tables := storetest.Tables{T: t, CQL: tables.CQL, Keyspace: tables.Keyspace}
			neighbour := storetest.Plant{Age: old, Content: "whole", Member: "live", Listed: true, Bucket: true}
			var other cassandra.MessageID
			if test.name != "no bucket" { // a neighbour would have written the row
				other = neighbour.Put(tables, store, user)
			}
			id := test.plant.Put(tables, store, user)

			for range 2 { // Verify changes nothing
				report, err := store.Verify(t.Context(), user)
				require.NoError(t, err)
				require.Zero(t, report.Mended())
				requireFinding(t, report, test.found, id, store.Session().Bucket(id))
			}

			// Without being asked to, Repair neither removes what is incomplete nor
			// takes a ghost off the list.
			report, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
			require.NoError(t, err)
			requireFinding(t, report, test.found, id, store.Session().Bucket(id))
			if test.found == cassandra.Ghost || test.found == cassandra.NotComplete {
				require.Zero(t, report.Mended())
				verified, err := store.Verify(t.Context(), user)
				require.NoError(t, err)
				requireFinding(t, verified, test.found, id, store.Session().Bucket(id))
				report, err = store.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
				require.NoError(t, err)
			}
			require.Equal(t, len(report.Findings), report.Mended())
			again, err := store.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
			require.NoError(t, err)
			require.Empty(t, again.Findings)
			require.Zero(t, again.Postponed)

			found := storetest.Readable(t, store, user)
			if (other != cassandra.MessageID{}) {
				require.Equal(t, neighbour.Body(), found[other.String()], "its neighbour is as it was")
				delete(found, other.String())
			}
			if !test.listed {
				require.Empty(t, found)
				return
			}
			require.Equal(t, map[string]string{id.String(): test.plant.Body()}, found)
			for _, m := range storetest.List(t, store, user) {
				if m.ID == id.String() {
					require.Equal(t, test.plant.UIDL, m.UIDL, "P5: a unique-id is for life")
				}
			}
		})
	}

	// What is young may be a delivery that is under way: it is left alone, and
	// counted.
	for _, p := range []storetest.Plant{
		{Age: young, Content: "whole", Member: "live", Bucket: true},
		{Age: young, Member: "live", Listed: true, Bucket: true},
		{Age: young, Member: "live", Bucket: true},
		{Age: young, Content: "unfinished", Member: "live", Bucket: true},
		{Age: young, Content: "whole", Listed: true, Bucket: true},
		{Age: young, Listed: true, Bucket: true},
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

// Whatever a repair meets of a message that was removed, it cannot bring it
// back: not the late rows of its delivery, and not a removal that comes between
// its look and its writing.
func TestP3RepairCannotResurrect(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store, index := newFaultyStore(t, config)
	repairer, hurt := newFaultyStore(t, storetest.Later(config))

	t.Run("late rows", func(t *testing.T) {
		for i, late := range []storetest.Plant{
			{Content: "whole", Member: "live", Listed: true, Bucket: true},
			{Content: "whole", Member: "live"},
			{Content: "whole", Listed: true},
			{Listed: true},
			{Member: "live"},
			{Content: "whole"},
		} {
			user := fmt.Sprintf("late-%d@example.org", i)
			m := storetest.Deliver(t, store, user, storetest.Body(1))
			keep := storetest.Deliver(t, store, user, storetest.Body(2))
			require.NoError(t, storetest.Open(t, store, user).Delete(t.Context(), []string{m.ID}))
			bucket := bucketNow(t, store)
			storetest.Eventually(t, "purged", func() bool { return tables.Members(store, user, bucket) == 1 })
			id, err := cassandra.ParseMessageID(m.ID)
			require.NoError(t, err)
			late.Write(tables, store, user, id)
			report, err := repairer.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
			require.NoError(t, err)
			require.Empty(t, report.Findings)
			require.Equal(t, map[string]string{keep.ID: storetest.Body(2)}, storetest.Readable(t, store, user))
		}
	})
	t.Run("removed between the look and the mending", func(t *testing.T) {
		const user = "race@example.org"
		index.hurt(func(context.Context, cassandra.MailboxID, func() error) error { return nil }, nil) // lists nothing
		var ids []string
		for i := range 3 {
			ids = append(ids, storetest.Deliver(t, store, user, storetest.Body(i)).ID)
		}
		index.heal()
		require.Empty(t, storetest.List(t, store, user))
		done := false
		hurt.mu.Lock()
		hurt.restore = func(_ context.Context, goOn func() error) error {
			if !done {
				done = true
				assert.NoError(t, storetest.Open(t, store, user).Delete(t.Context(), ids))
			}
			return goOn()
		}
		hurt.mu.Unlock()
		report, err := repairer.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		require.Len(t, report.Findings, 3)
		require.True(t, done)
		require.Empty(t, storetest.List(t, store, user))
		storetest.Eventually(t, "purged", func() bool { return tables.Members(store, user, bucketNow(t, store)) == 0 })
		storetest.Consistent(t, config, user)
		require.Empty(t, storetest.List(t, store, user))
	})
	t.Run("repairs and removals side by side", func(t *testing.T) {
		const user, messages = "busy@example.org", 60
		index.hurt(func(_ context.Context, _ cassandra.MailboxID, goOn func() error) error {
			return goOn()
		}, func(_ context.Context, goOn func() error) error {
			return errors.Join(errFault, goOn()) // marks, and says that it failed
		})
		var ids []string
		for i := range messages {
			ids = append(ids, storetest.Deliver(t, store, user, storetest.Body(i)).ID)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := repairer.Repair(ctx, user, cassandra.RepairOptions{}); ctx.Err() == nil {
					assert.NoError(t, err)
				}
			}
		})
		mb := storetest.Open(t, store, user)
		for _, id := range ids[:messages/2] {
			mb.Delete(t.Context(), []string{id})
			for _, m := range storetest.List(t, store, user) {
				require.NotEqual(t, id, m.ID, "P3: it is back")
			}
		}
		cancel()
		group.Wait()
		index.heal()
		_, err := repairer.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		storetest.Consistent(t, config, user)
		found := storetest.Readable(t, store, user)
		require.Len(t, found, messages/2)
		for i, id := range ids[messages/2:] {
			require.Equal(t, storetest.Body(messages/2+i), found[id])
		}
	})
}

// What a repair lists can be read: a chunk whose row is there without its octets,
// as reads that count chunks leave it of one that was written almost nowhere, is
// no content.
func TestP2RepairListsOnlyWhatCanBeRead(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for user, p := range map[string]storetest.Plant{
		"anna": {Age: 2 * time.Hour, Content: "torn", Member: "live", Bucket: true},
		"bob":  {Age: 2 * time.Hour, Content: "torn", Bucket: true},
	} {
		id := p.Put(tables, store, user)
		tables.Exec("INSERT INTO KS.message (message_id, chunk) VALUES (?, 1) USING TIMESTAMP ?", [16]byte(id), cassandra.AddedAt(id))
	}
	options := cassandra.ScanOptions{RepairOptions: cassandra.RepairOptions{Orphans: cassandra.RestoreOrphans}}
	options.Found = func(r cassandra.Report) { require.ErrorContains(t, r.Findings[0].Err, "not complete") }
	p, err := store.RepairAll(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, 2, p.Findings)
	require.Zero(t, p.Mended)
	for _, user := range []string{"anna", "bob"} {
		require.Empty(t, storetest.List(t, store, user))
	}
}
