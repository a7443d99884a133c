package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
)

// content tells how many rows there are of a message's content.
func (r rows) content(id cassandra.MessageID) int {
	r.t.Helper()
	return r.count("SELECT count(*) FROM KS.message WHERE message_id = ?", [16]byte(id))
}

// forget leaves of a message what its removal leaves when the cluster has lost
// the tombstone of the content: that of the membership.
func (r rows) forget(store *cassandra.Store, user string, id cassandra.MessageID) {
	r.t.Helper()
	mailbox, _, err := store.Mailbox(user)
	require.NoError(r.t, err)
	r.exec("DELETE FROM KS.mailbox_message USING TIMESTAMP ? WHERE mailbox_id = ? AND bucket = ? AND message_id = ?",
		cassandra.DeletedAt(id), [16]byte(mailbox), store.Bucket(id), [16]byte(id))
}

// Content without membership is restored where it was not removed, and stays
// removed where the cluster still knows that it was (P3).
func TestP3OrphansAreRestoredUnlessTheyWereRemoved(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	tables := tablesOf(t, cluster, config)
	store := newStore(t, config)
	const old = 3 * time.Hour
	lost := plant{age: old, content: "chunked"}
	id := lost.put(tables, store, "anna")
	ancient := plant{age: 30 * 24 * time.Hour, content: "whole"}.put(tables, store, "bob")
	removed := plant{age: old, content: "whole"}.put(tables, store, "anna")
	tables.forget(store, "anna", removed)
	torn := plant{age: old, content: "torn"}.put(tables, store, "anna")
	young := plant{age: time.Minute, content: "whole"}.put(tables, store, "anna")
	inGap := plant{age: old, content: "whole", gap: true, bucket: true}.put(tables, store, "carl")

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
	require.Equal(t, map[string]string{id.String(): lost.planted()}, readable(t, store, "anna"), "and not what was removed")
	require.Contains(t, readable(t, store, "bob"), ancient.String(), "though nobody knew that the mailbox had that bucket")
	require.Zero(t, tables.content(removed), "its removal is finished")
	require.Equal(t, 1, tables.content(young))
	again := readable(t, store, "carl")
	require.Len(t, again, 1, "delivered again")
	require.NotContains(t, again, inGap.String())

	found, _ = look(cassandra.RestoreOrphans)
	require.Len(t, found, 1)
	require.Contains(t, found, torn)
}

// Content without membership is purged when nobody has missed it for as long as
// tombstones are kept, at a second look, and not if it has found its mailbox by
// then (P1).
func TestP1OrphansArePurgedAtASecondLook(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	tables := tablesOf(t, cluster, config)
	store := newStore(t, config)
	const old, fresh = 12 * 24 * time.Hour, 9 * 24 * time.Hour
	purged := []cassandra.MessageID{
		plant{age: old, content: "whole", bucket: true}.put(tables, store, "anna"),
		plant{age: old, content: "chunked"}.put(tables, store, "bob"),
		plant{age: old, content: "torn"}.put(tables, store, "bob"),
		plant{age: old, content: "homeless"}.put(tables, store, "nobody"),
	}
	kept := plant{age: fresh, content: "whole"}.put(tables, store, "anna")
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
	late := plant{age: old, content: "whole"}
	came := late.put(tables, store, "carl")
	carl, _, err := store.Mailbox("carl")
	require.NoError(t, err)
	done := make(chan cassandra.Progress)
	go func() { done <- repair(5 * time.Second) }()
	eventually(t, "the first look, which closes the range behind it", func() bool {
		fence, err := store.Fence(t.Context(), carl)
		return err == nil && fence >= cassandra.AddedAt(came)
	})
	late.member, late.bucket = "live", true
	late.write(tables, store, "carl", came)
	p = <-done
	require.Equal(t, 4, p.Mended-1, "the late one is listed") // and the four are purged
	require.Equal(t, 1, p.Postponed, "younger than gc_grace_seconds")
	for _, id := range purged {
		require.Zero(t, tables.content(id))
	}
	require.Equal(t, 1, tables.content(kept))
	require.Equal(t, map[string]string{came.String(): late.planted()}, readable(t, store, "carl"))

	p = repair(time.Millisecond)
	require.Equal(t, 1, p.Findings)
	require.Equal(t, 1, p.Postponed)
}

// Before a message goes whose content is not complete, its range is closed: a
// delivery that was frozen over it is not acknowledged any more (P1).
func TestP1WhatIsRemovedIsFencedFirst(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	tables := tablesOf(t, cluster, config)
	store := newStore(t, config)
	for _, everything := range []bool{false, true} {
		user := map[bool]string{false: "anna", true: "bob"}[everything]
		mailbox, _, err := store.Mailbox(user)
		require.NoError(t, err)
		id := plant{age: 2 * time.Hour, content: "unfinished", member: "live", bucket: true}.put(tables, store, user)
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
		require.Zero(t, tables.content(id))
		deliver(t, store, user, body(1)) // what comes now is not behind the fence
	}
}
