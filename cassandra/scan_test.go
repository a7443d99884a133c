package cassandra_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A scan of everything finds what is wrong in any mailbox, and mends it, even
// if it is interrupted and resumed; then it finds nothing.
func TestScanOfEverything(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.Horizon = 1 // nanosecond: nothing is too young
	store := storetest.NewStore(t, config)
	const users, each = 40, 5
	damaged := damageSome(t, store, storetest.TablesOf(t, cluster, config), users, each)

	var found []string
	verified, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{
		Found: func(r cassandra.Report) { found = append(found, r.User) },
	})
	require.NoError(t, err)
	require.ElementsMatch(t, damaged, found)
	require.Equal(t, users, verified.Mailboxes)
	require.Equal(t, users*each, verified.Contents)
	require.Equal(t, len(damaged), verified.Findings)
	require.Equal(t, users*each-len(damaged), verified.Messages)
	require.Zero(t, verified.Mended)
	require.Zero(t, verified.Failed)
	require.Equal(t, 1.0, verified.Done)

	require.Equal(t, len(damaged), repairInTwoRuns(t, store))
	again, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{Rate: 1000})
	require.NoError(t, err)
	require.Zero(t, again.Findings)
	_, err = store.VerifyAll(t.Context(), cassandra.ScanOptions{Resume: again.Resume})
	require.NoError(t, err, "at the end there is nothing left to do")
}

// P8: the work of a scan is proportional to what there is: so many statements
// for each message, and for each bucket.
func TestP8AScanReadsEverythingOnce(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.Horizon = 1
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	statements := func() int {
		seen.Take()
		p, err := store.RepairAll(t.Context(), cassandra.ScanOptions{})
		require.NoError(t, err)
		require.Zero(t, p.Findings)
		return len(seen.Take())
	}
	empty := statements()
	const each = 10
	users := 0
	deliver := func(until int) {
		for ; users < until; users++ {
			for n := range each {
				storetest.Deliver(t, store, fmt.Sprintf("user%d", users), storetest.Body(n))
			}
		}
	}
	for _, until := range []int{10, 20, 40, 80} {
		deliver(until)
		require.Equal(t, until*(2*each+1), statements()-empty, "for each message its content and its membership, for each bucket its row; of %d mailboxes", until)
	}
}

// damageSome delivers to mailboxes and marks the last message of three in four
// as removed: a removal that began and did not end. It returns the users.
func damageSome(t *testing.T, store *cassandra.Store, tables storetest.Tables, users, each int) (damaged []string) {
	t.Helper()
	for n := range users {
		user := fmt.Sprintf("user%d@example.org", n)
		var last string
		for m := range each {
			last = storetest.Deliver(t, store, user, storetest.Body(m)).ID
		}
		if rand.IntN(4) > 0 {
			damaged = append(damaged, user)
			tables.Mark(store, user, last)
		}
	}
	return damaged
}

// repairInTwoRuns interrupts a scan at 70 %, resumes it, and returns how much
// the two mended.
func repairInTwoRuns(t *testing.T, store *cassandra.Store) (mended int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var first cassandra.Progress
	_, err := store.RepairAll(ctx, cassandra.ScanOptions{Progress: func(p cassandra.Progress) {
		if p.Done >= 0.7 && first.Resume == "" {
			first = p
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	second, err := store.RepairAll(t.Context(), cassandra.ScanOptions{Resume: first.Resume, Ranges: 8})
	require.NoError(t, err)
	return first.Mended + second.Mended
}

// A scan can be resumed only with a text that a scan has returned.
func TestScanResumesWhereItSaid(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	store := storetest.NewStore(t, storetest.Migrate(t, cluster))
	for _, text := range []string{"page 7", "7", "content", "content -1", "content 257", "mailboxes 257", "mailboxes 7 and so on", " mailboxes 7", "content 0-256 range 7"} {
		_, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{Resume: text})
		require.ErrorContains(t, err, fmt.Sprintf("%q is not where a scan can go on", text))
	}
}

// Mail that is delivered and removed during a scan is not a finding.
func TestScanOfABusyStore(t *testing.T) {
	slow.Test(t, "many deliveries beside a scan")
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.Horizon = 30 * time.Second
	store := storetest.NewStore(t, config)
	for n := range 300 {
		storetest.Deliver(t, store, fmt.Sprintf("u%d", n%10), storetest.Body(n))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				user := fmt.Sprintf("u%d", rand.IntN(12))
				if _, err := storetest.TryDeliver(ctx, store, user, storetest.Body(i)); err != nil && ctx.Err() == nil {
					assert.NoError(t, err)
				}
				if mb := storetest.Open(t, store, user); n%2 == 0 {
					messages, err := mailbox.List(ctx, mb)
					if err == nil && len(messages) > 3 {
						err = mb.Delete(ctx, storetest.IDs(messages[:2]))
					}
					if ctx.Err() == nil {
						assert.NoError(t, err)
					}
				}
			}
		})
	}
	for range 3 {
		p, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{Rate: 500, Found: func(r cassandra.Report) {
			t.Errorf("%s: %s %s", r.User, r.Findings[0].Kind, r.Findings[0].ID)
		}})
		require.NoError(t, err)
		require.Zero(t, p.Findings)
		require.Zero(t, p.Failed)
		require.Greater(t, p.Messages, 100)
	}
	cancel()
	group.Wait()
}
