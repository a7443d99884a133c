package clustertests

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
)

const fewMailboxes = "100,400"

var growthMailboxes = flag.String("growth.mailboxes", fewMailboxes, "numbers of mailboxes of TestP8AScanGrowsWithTheMail; with others its node is a roomy one")

// P8: a scan of everything costs what there is: its statements grow in
// proportion to the mail, and its memory not at all.
//
//	go test ./internal/clustertests -run GrowsWithTheMail -v -timeout 0 -growth.mailboxes 1000,10000,100000
func TestP8AScanGrowsWithTheMail(t *testing.T) {
	slow.Test(t, "thousands of messages, read several times")
	const each = 10
	var topology cassandratest.Topology
	if *growthMailboxes != fewMailboxes {
		topology = roomyNodes(1)
	}
	cluster := cassandratest.Start(t, topology)
	var first float64 // statements for each mailbox
	var least uint64  // octets of the heap
	for _, text := range strings.Split(*growthMailboxes, ",") {
		mailboxes, err := strconv.Atoi(text)
		require.NoError(t, err)
		config := storetest.Migrate(t, cluster)
		var statements atomic.Int64
		config.Observer = func(cassandra.Observation) { statements.Add(1) }
		store := storetest.NewStore(t, config)
		messages := seedEach(t, storetest.TablesOf(t, cluster, config), store, mailboxes, each)
		for name, scan := range map[string]func(context.Context, cassandra.ScanOptions) (cassandra.Progress, error){"VerifyAll": store.VerifyAll, "RepairAll": store.RepairAll} {
			statements.Store(0)
			began, heap := time.Now(), watchHeap()
			p, err := scan(t.Context(), cassandra.ScanOptions{Progress: eachMinute(func(p cassandra.Progress) {
				t.Logf("%s: %.0f %% after %s, %d statements", name, p.Done*100, p.Elapsed.Round(time.Second), statements.Load())
			})})
			most, took, per := heap(), time.Since(began), float64(statements.Load())/float64(mailboxes)
			require.NoError(t, err)
			require.Equal(t, [3]int{mailboxes, messages, messages}, [3]int{p.Mailboxes, p.Messages, p.Contents})
			require.Zero(t, p.Findings+p.Postponed+p.Failed)
			t.Logf("%d mailboxes of %d messages: %s in %s, %.0f mailboxes a second, %.2f statements for each, heap %.1f MB",
				mailboxes, each, name, took.Round(10*time.Millisecond), float64(mailboxes)/took.Seconds(), per, float64(most)/1e6)
			if first == 0 {
				first, least = per, most
			}
			require.LessOrEqual(t, per, first*1.2)
			require.LessOrEqual(t, most, least+20<<20, "octets of the heap")
		}
	}
}

// eachMinute returns a function that reports at most once a minute.
func eachMinute(report func(cassandra.Progress)) func(cassandra.Progress) {
	last := time.Now()
	return func(p cassandra.Progress) {
		if time.Since(last) >= time.Minute {
			last = time.Now()
			report(p)
		}
	}
}

// seedEach writes about so many messages to each of so many mailboxes, and
// returns how many there are.
func seedEach(t *testing.T, tables storetest.Tables, store *cassandra.Store, mailboxes, each int) int {
	var messages atomic.Int64
	began := time.Now()
	seeder := newSeeder(tables, store, 1024)
	require.NoError(t, parallel.Each(16, mailboxes, func(i int) error {
		b := seeder.newBatch(fmt.Sprintf("user%d@example.org", i), each, scaleDays)
		messages.Add(int64(len(b.ids)))
		return seeder.write(b)
	}))
	t.Logf("%d mailboxes written in %s", mailboxes, time.Since(began).Round(time.Second))
	return int(messages.Load())
}

// watchHeap returns a function that ends the watch, and returns the largest heap
// that was in use after a collection.
func watchHeap() (end func() uint64) {
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapAlloc)
			select {
			case <-time.After(200 * time.Millisecond):
			case <-stop:
				done <- most
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-done
	}
}
