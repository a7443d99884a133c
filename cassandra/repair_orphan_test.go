package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// forget writes only the tombstone of a membership, as if the cluster had lost
// the tombstone of the content.
func forget(r storetest.Tables, store *cassandra.Store, user string, id cassandra.MessageID) {
	r.T.Helper()
	mailbox, _, err := store.Mailbox(user)
	require.NoError(r.T, err)
	r.Exec("DELETE FROM KS.mailbox_message USING TIMESTAMP ? WHERE mailbox_id = ? AND bucket = ? AND message_id = ?",
		cassandra.DeletedAt(id), [16]byte(mailbox), id.Bucket(), [16]byte(id))
}

// P3: content without membership is restored, unless the cluster still knows
// that the message was removed: then it stays removed.
func TestP3OrphansAreRestoredUnlessTheyWereRemoved(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	const old = 3 * time.Hour
	lost := storetest.Plant{Age: old, Content: "chunked"}
	id := lost.Put(tables, store, "anna")
	ancient := storetest.Plant{Age: 30 * 24 * time.Hour, Content: "whole"}.Put(tables, store, "bob")
	removed := storetest.Plant{Age: old, Content: "whole"}.Put(tables, store, "anna")
	forget(tables, store, "anna", removed)
	torn := storetest.Plant{Age: old, Content: "torn"}.Put(tables, store, "anna")
	young := storetest.Plant{Age: time.Minute, Content: "whole"}.Put(tables, store, "anna")
	sealed := putSealed(t, tables, store, "carl", storetest.Plant{Age: old, Content: "whole"})

	look := func(action cassandra.OrphanAction) (found map[cassandra.MessageID]cassandra.Finding, p cassandra.Progress) {
		found = make(map[cassandra.MessageID]cassandra.Finding)
		p, err := store.RepairAll(t.Context(), cassandra.ScanOptions{
			RepairOptions: cassandra.RepairOptions{Orphans: action},
			Found:         func(r cassandra.Report) { found[r.Findings[0].ID] = r.Findings[0] },
		})
		require.NoError(t, err)
		require.Equal(t, 1, p.Postponed, "the young one")
		require.NotContains(t, found, young)
		return found, p
	}
	found, p := look(cassandra.ReportOrphans)
	require.Len(t, found, 5)
	require.Zero(t, p.Mended)
	for _, f := range found {
		require.Equal(t, cassandra.Orphan, f.Kind)
		require.NoError(t, f.Err)
	}

	found, p = look(cassandra.RestoreOrphans)
	require.Equal(t, 5, p.Findings)
	require.Equal(t, 4, p.Mended)
	require.ErrorContains(t, found[torn].Err, "not complete")
	require.Equal(t, map[string]string{id.String(): lost.Body()}, storetest.Readable(t, store, "anna"), "and not what was removed")
	require.Contains(t, storetest.Readable(t, store, "bob"), ancient.String(), "although the ledger did not have that bucket")
	require.Zero(t, tables.Content(removed), "its removal is finished")
	require.Equal(t, 1, tables.Content(young))
	require.Contains(t, storetest.Readable(t, store, "carl"), sealed.String(), "although a seal left it out")

	found, _ = look(cassandra.RestoreOrphans)
	require.Len(t, found, 1)
	require.Contains(t, found, torn)
}

// P1: content without membership is purged if it is older than
// gc_grace_seconds, at the second look, and only if it still has no membership
// then.
func TestP1OrphansArePurgedAtASecondLook(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	const old, fresh = 12 * 24 * time.Hour, 9 * 24 * time.Hour
	purged := []cassandra.MessageID{
		storetest.Plant{Age: old, Content: "whole", Bucket: true}.Put(tables, store, "anna"),
		storetest.Plant{Age: old, Content: "chunked"}.Put(tables, store, "bob"),
		storetest.Plant{Age: old, Content: "torn"}.Put(tables, store, "bob"),
		storetest.Plant{Age: old, Content: "homeless"}.Put(tables, store, "nobody"),
	}
	kept := storetest.Plant{Age: fresh, Content: "whole"}.Put(tables, store, "anna")
	repair := func(confirm time.Duration) cassandra.Progress {
		p, err := store.RepairAll(t.Context(), cassandra.ScanOptions{
			RepairOptions: cassandra.RepairOptions{Orphans: cassandra.PurgeOrphans, Confirm: confirm},
		})
		require.NoError(t, err)
		return p
	}

	p := repair(0)
	require.Equal(t, 5, p.Findings)
	require.Equal(t, 5, p.Postponed, "there is no second look")
	require.Zero(t, p.Mended)

	// Its membership comes between the two looks.
	late := storetest.Plant{Age: old, Content: "whole"}
	came := late.Put(tables, store, "carl")
	carl, _, err := store.Mailbox("carl")
	require.NoError(t, err)
	done := make(chan cassandra.Progress)
	go func() { done <- repair(5 * time.Second) }()
	storetest.Eventually(t, "the first look, which then writes the fence", func() bool {
		fence, err := store.Fence(t.Context(), carl)
		return err == nil && fence >= cassandra.AddedAt(came)
	})
	late.Member, late.Bucket = "live", true
	late.Write(tables, store, "carl", came)
	p = <-done
	require.Equal(t, 4, p.Mended-1, "the late one is listed") // and the four are purged
	require.Equal(t, 1, p.Postponed, "younger than gc_grace_seconds")
	for _, id := range purged {
		require.Zero(t, tables.Content(id))
	}
	require.Equal(t, 1, tables.Content(kept))
	require.Equal(t, map[string]string{came.String(): late.Body()}, storetest.Readable(t, store, "carl"))

	p = repair(time.Millisecond)
	require.Equal(t, 1, p.Findings)
	require.Equal(t, 1, p.Postponed)
}

// P1: before a repair removes a message whose content is not complete, it
// writes a fence above it. A delivery that was frozen meanwhile is not
// acknowledged any more.
func TestP1WhatIsRemovedIsFencedFirst(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	for _, everything := range []bool{false, true} {
		user := map[bool]string{false: "anna", true: "bob"}[everything]
		mailbox, _, err := store.Mailbox(user)
		require.NoError(t, err)
		id := storetest.Plant{Age: 2 * time.Hour, Content: "unfinished", Member: "live", Bucket: true}.Put(tables, store, user)
		options := cassandra.RepairOptions{RemoveIncomplete: true}
		repair := func() (mended int) {
			if everything {
				p, err := store.RepairAll(t.Context(), cassandra.ScanOptions{RepairOptions: options})
				require.NoError(t, err)
				return p.Mended
			}
			r, err := store.Repair(t.Context(), user, options)
			require.NoError(t, err)
			return r.Mended()
		}
		require.Zero(t, repair())
		fence, err := store.Fence(t.Context(), mailbox)
		require.NoError(t, err)
		require.Zero(t, fence, "nothing was going to be removed")
		options.Confirm = time.Millisecond
		require.Equal(t, 1, repair())
		fence, err = store.Fence(t.Context(), mailbox)
		require.NoError(t, err)
		require.Equal(t, cassandra.AddedAt(id), fence)
		require.Zero(t, tables.Content(id))
		storetest.Deliver(t, store, user, storetest.Body(1)) // mail that comes now is above the fence
	}
}
