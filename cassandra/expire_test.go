package cassandra_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// whole is a message that was delivered a while ago.
func whole(age time.Duration) storetest.Plant {
	return storetest.Plant{Age: age, Content: "whole", Member: "live", Listed: true, Bucket: true}
}

// removals is a listener that keeps the IDs of removed messages.
type removals struct {
	mu  sync.Mutex
	ids []string
}

func (r *removals) MailboxChanged(_ context.Context, event mailbox.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if event.Kind == mailbox.Removed {
		r.ids = append(r.ids, event.User+" "+event.Messages[0].ID)
	}
	return nil
}

func (r *removals) has(user string, id cassandra.MessageID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.ids, user+" "+id.String())
}

// RFC 2449 section 6.7: what is too old is in no listing. A session has the
// buckets that are too old as a whole emptied in the background, as it removes
// mail itself: with events for the listeners, and a proof after which the bucket
// leaves the ledger. The rest is for ExpireAll.
func TestExpire(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.Horizon, config.Expire = time.Second, 40*24*time.Hour
	store := storetest.NewStore(t, config)
	require.Equal(t, config.Expire, store.Retention())
	heard := new(removals)
	store.Listen(heard)
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("bob")
	require.NoError(t, err)

	ancient := whole(80*24*time.Hour).Put(tables, store, "bob")
	justOver := whole(config.Expire+time.Second).Put(tables, store, "bob")
	justNot := whole(config.Expire-time.Hour).Put(tables, store, "bob")
	whole(300*24*time.Hour).Put(tables, store, "eve")
	unlisted := storetest.Plant{Age: 41 * 24 * time.Hour, Content: "whole", Member: "live"}.Put(tables, store, "nobody")
	fresh := storetest.Deliver(t, store, "bob", storetest.Body(1)).ID
	require.Len(t, tables.Ledger(box), 3)

	require.Equal(t, []string{justNot.String(), fresh}, storetest.ListIDs(t, store, "bob"))
	storetest.Eventually(t, "the bucket that is too old leaves the ledger", func() bool {
		return tables.Ledger(box)[ancient.Bucket()] == storetest.Row{} && len(tables.Ledger(box)) == 2
	})
	require.Zero(t, tables.Members(store, "bob", ancient.Bucket()))
	require.Zero(t, tables.Entries(store, "bob", ancient.Bucket()))
	storetest.Eventually(t, "the content is purged, and the listeners know", func() bool {
		return tables.Content(ancient) == 0 && heard.has("bob", ancient)
	})
	require.NotZero(t, tables.Content(justOver), "its bucket is not too old")

	p, err := store.CountExpired(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	require.Equal(t, 3, p.Findings)
	require.Zero(t, p.Mended)
	p, err = store.ExpireAll(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	require.Equal(t, 3, p.Mended)
	require.Zero(t, p.Failed)
	storetest.Eventually(t, "two messages are left", func() bool { return tables.Contents() == 2 })
	storetest.Eventually(t, "the listeners know", func() bool { return heard.has("bob", justOver) })
	require.Zero(t, tables.Content(unlisted))
	require.Equal(t, []string{justNot.String(), fresh}, storetest.ListIDs(t, store, "bob"))
	require.Equal(t, 4, store.Stats().Expired)
	require.Zero(t, store.Stats().ExpiriesWaiting)
	p, err = store.ExpireAll(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	require.Zero(t, p.Findings, "there is nothing left to do")
}

// P3: what is removed because it is too old stays removed, whoever removes it
// how often, and if the delivery is repeated. A store that keeps mail for ever
// does not list it either.
func TestP3WhatExpiredStaysRemoved(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	forever := storetest.Migrate(t, cluster)
	config := forever
	config.Horizon, config.Expire = time.Second, time.Hour
	tables := storetest.TablesOf(t, cluster, config)
	store, keeps := storetest.NewStore(t, config), storetest.NewStore(t, forever)
	plant := whole(2 * time.Hour)
	id := plant.Put(tables, store, "bob")
	require.Zero(t, keeps.Retention())
	require.Len(t, storetest.List(t, keeps, "bob"), 1)
	require.Empty(t, storetest.List(t, store, "bob"))
	for range 2 {
		_, err := store.ExpireAll(t.Context(), cassandra.ScanOptions{})
		require.NoError(t, err)
	}
	storetest.Eventually(t, "it is purged", func() bool { return tables.Members(store, "bob", id.Bucket()) == 0 })
	plant.Write(tables, store, "bob", id)
	require.Empty(t, storetest.List(t, keeps, "bob"))
	report, err := keeps.Verify(t.Context(), "bob")
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}

// A host whose clock is wrong removes nothing: that would be for ever.
func TestExpireWithAWrongClock(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.Expire = 24 * time.Hour
	tables := storetest.TablesOf(t, cluster, config)
	wrong := config
	wrong.Now = func() time.Time { return time.Now().Add(100 * 24 * time.Hour) }
	told := make(chan error, 10)
	wrong.OnError = func(err error) { told <- err }
	store := storetest.NewStore(t, wrong)
	id := whole(time.Hour).Put(tables, store, "bob")
	require.Empty(t, storetest.List(t, store, "bob"), "its bucket is too old, by that clock")
	require.ErrorContains(t, <-told, `remove the messages of "bob" that are too old: the clocks of this host and of a node are 2400h0m0s apart`)
	_, err := store.ExpireAll(t.Context(), cassandra.ScanOptions{})
	require.ErrorContains(t, err, "apart")
	require.Equal(t, []string{id.String()}, storetest.ListIDs(t, storetest.NewStore(t, config), "bob"))
}
