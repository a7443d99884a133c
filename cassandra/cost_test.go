package cassandra_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
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

func TestCostOfDelivery(t *testing.T) {
	config := newKeyspace(t, 0)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	storetest.Deliver(t, store, "bob", fiveKB)
	seen.Take()
	atBest(t, 2, func() []cassandra.Observation {
		storetest.Deliver(t, store, "bob", fiveKB)
		all := seen.Take()
		require.Len(t, all, 4)
		writes, reads := counted(all)
		require.Equal(t, 3, writes)
		require.Equal(t, 1, reads)
		for _, o := range all {
			if !storetest.IsWrite(o.Statement) {
				require.Contains(t, o.Statement, "FROM ledger", "the small partition")
				require.LessOrEqual(t, o.Rows, 2)
			}
			require.Equal(t, "LOCAL_QUORUM", o.Consistency)
			require.Zero(t, o.Attempt)
		}
		return slices.Clone(all)
	})

	// The first delivery of this process to a bucket writes the row of the
	// bucket too.
	storetest.Deliver(t, store, "eve", fiveKB)
	writes, reads := counted(seen.Take())
	require.Equal(t, 4, writes)
	require.Equal(t, 1, reads)
}

func TestCostOfOpening(t *testing.T) {
	config := newKeyspace(t, 0)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	for range 100 {
		storetest.Deliver(t, store, "bob", storetest.Body(1))
	}
	seen.Take()
	listing := func(store *cassandra.Store) func() []cassandra.Observation {
		return func() []cassandra.Observation {
			require.Len(t, storetest.List(t, store, "bob"), 100)
			all := seen.Take()
			require.LessOrEqual(t, len(all), 6)
			writes, _ := counted(all)
			require.Zero(t, writes, "a session writes nothing when it opens")
			return slices.Clone(all)
		}
	}
	storetest.List(t, store, "bob")
	seen.Take()
	atBest(t, 1, listing(store))

	// A process that does not know the mailbox reads the mail of the last hours
	// in the first round trip, and the rest in the second.
	atBest(t, 2, func() []cassandra.Observation {
		other := storetest.NewStore(t, config)
		seen.Take()
		return listing(other)()
	})
}

func TestCostOfRetrieving(t *testing.T) {
	config := newKeyspace(t, 0)
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
	config := newKeyspace(t, 0)
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
