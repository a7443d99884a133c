package cassandra_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// What the package comment says that things cost, counted by an observer.

var fiveKB = "Subject: five kilobytes\r\n\r\n" + strings.Repeat("0123456789 0123456789 0123456789 0123456789\r\n", 114)

func counted(seen []cassandra.Observation) (writes, reads int) {
	for _, o := range seen {
		if storetest.IsWrite(o.Statement) {
			writes++
		} else {
			reads++
		}
	}
	return writes, reads
}

// rounds counts the round trips: a statement that starts before another one has
// ended does not need its answer.
func rounds(seen []cassandra.Observation) int {
	slices.SortFunc(seen, func(a, b cassandra.Observation) int { return a.Start.Compare(b.Start) })
	n := 0
	var end time.Time // of the statement that ended first in the round
	for _, o := range seen {
		switch {
		case n == 0 || !o.Start.Before(end):
			n++
			end = o.End
		case o.End.Before(end):
			end = o.End
		}
	}
	return n
}

// atBest requires that one of several tries takes as few rounds as wanted. One
// is enough to show that no statement waits for an answer; on a busy machine a
// goroutine may be late.
func atBest(t *testing.T, want int, try func() []cassandra.Observation) {
	t.Helper()
	best := 0
	for range 50 {
		if n := rounds(try()); best == 0 || n < best {
			best = n
		}
		if best <= want {
			return
		}
	}
	t.Errorf("%d round trips at best, want %d", best, want)
}

// A delivery to a bucket that has a row is three writes and one read of two
// small rows, in two round trips: whoever delivers, to however many mailboxes,
// and however old they are. A new bucket costs one batch more.
func TestCostOfDelivery(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.BucketMessages = math.MaxInt32 // by default one delivery in 20,000 notes the crowd, with a batch
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	deliver := func(store *cassandra.Store, user string, batches int) []cassandra.Observation {
		t.Helper()
		storetest.Deliver(t, store, user, fiveKB)
		all := seen.Take()
		writes, reads := counted(all)
		require.Equal(t, 3+batches, writes)
		require.Equal(t, 1, reads)
		for _, o := range all {
			if !storetest.IsWrite(o.Statement) {
				require.Contains(t, o.Statement, "FROM ledger", "the small partition")
				require.Equal(t, 2-2*batches, o.Rows)
			}
			require.Equal(t, "LOCAL_QUORUM", o.Consistency)
			require.Zero(t, o.Attempt)
		}
		return slices.Clone(all)
	}
	seen.Take()
	deliver(store, "bob", 1)
	atBest(t, 2, func() []cassandra.Observation { return deliver(store, "bob", 0) })

	// A process that does not know the mailbox.
	other := storetest.NewStore(t, config)
	seen.Take()
	deliver(other, "bob", 0)

	// Many mailboxes in turn.
	for _, batches := range []int{1, 0, 0} {
		for n := range 100 {
			deliver(store, fmt.Sprintf("user%d", n), batches)
		}
	}

	// A mailbox of years, with thousands of buckets, seals, and a fence.
	tables := storetest.TablesOf(t, cluster, config)
	box, _, err := store.Mailbox("bob")
	require.NoError(t, err)
	for n := range 1000 {
		tables.Exec("INSERT INTO KS.ledger (mailbox_id, bucket) VALUES (?, ?) USING TIMESTAMP 1", [16]byte(box), idOf(time.Now().AddDate(0, 0, -2-n), byte(n%3)).Bucket())
	}
	writeFence(tables, box, time.Now().Add(-time.Hour))
	tables.Seal(box, bucketNow(t, store), time.Now().Add(-time.Hour).UnixMicro(), func(cassandra.MessageID) bool { return true })
	deliver(store, "bob", 0)
	deliver(other, "bob", 0)
}

// Opening a mailbox is two round trips, whoever opens it: the ledger, and then
// what it names.
func TestCostOfOpening(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	want := 100
	for range want {
		storetest.Deliver(t, store, "bob", storetest.Body(1))
	}
	listing := func(store *cassandra.Store, statements int) func() []cassandra.Observation {
		return func() []cassandra.Observation {
			seen.Take()
			require.Len(t, storetest.List(t, store, "bob"), want)
			all := seen.Take()
			require.Len(t, all, statements)
			writes, _ := counted(all)
			require.Zero(t, writes, "a session writes nothing when it opens")
			for _, o := range all {
				require.Equal(t, "LOCAL_QUORUM", o.Consistency)
			}
			return slices.Clone(all)
		}
	}
	atBest(t, 2, listing(store, 2))
	atBest(t, 2, func() []cassandra.Observation { return listing(storetest.NewStore(t, config), 2)() })

	// Buckets of all widths are read side by side.
	for n := range 9 {
		id := idOf(time.Now().Add(-time.Duration(n)*month), byte(n%3))
		storetest.Plant{Content: "whole", Member: "live", Listed: true, Bucket: true}.Write(tables, store, "bob", id)
		want++
	}
	atBest(t, 2, listing(store, 1+9))
}

func TestCostOfRetrieving(t *testing.T) {
	config := newKeyspace(t)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	m := storetest.Deliver(t, store, "bob", fiveKB)
	mb := storetest.Open(t, store, "bob")
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	seen.Take()
	text, err := storetest.Read(t.Context(), mb, m.ID)
	require.NoError(t, err)
	require.Equal(t, fiveKB, text)
	all := seen.Take()
	require.Len(t, all, 1)
	require.Equal(t, 1, all[0].Rows)
	require.Equal(t, "LOCAL_QUORUM", all[0].Consistency)
}

// DELE of 100 messages and QUIT, through the POP3 server, with the purge that
// follows in the background.
func TestCostOfRemoving(t *testing.T) {
	config := newKeyspace(t)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	for range 100 {
		storetest.Deliver(t, store, "bob", fiveKB)
	}
	server := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), store))
	client := server.Dial(t)
	require.True(t, strings.HasPrefix(client.Command("USER bob"), "+OK"))
	require.True(t, strings.HasPrefix(client.Command("PASS x"), "+OK"))
	seen.Take()
	for n := range 100 {
		require.True(t, strings.HasPrefix(client.Command(fmt.Sprintf("DELE %d", n+1)), "+OK"))
	}
	require.Empty(t, seen.Take(), "DELE sends no statement")
	require.True(t, strings.HasPrefix(client.Command("QUIT"), "+OK"))
	require.Empty(t, storetest.List(t, storetest.NewStore(t, config), "bob"))
	storetest.CloseStore(t, store)
	removing := regexp.MustCompile(`^(UPDATE|DELETE|INSERT)`)
	count, rows := 0, 0
	for _, o := range seen.Take() {
		if removing.MatchString(o.Statement) {
			count++
			rows += max(1, o.Batch)
		}
	}
	require.LessOrEqual(t, count, 110)
	require.GreaterOrEqual(t, rows, 400, "mark, list, content and membership of each")
	t.Logf("%d statements, %d writes in them", count, rows)
}
