package cassandra_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// With a million messages, as it was measured once:
//
//	go test ./cassandra -run TestP7Cost -v -timeout 3h -p7.messages 1000000 -p7.threshold 100000
var (
	p7Messages  = flag.Int("p7.messages", 10_000, "messages that pass through the mailbox of TestP7Cost, for each pattern")
	p7Threshold = flag.Int("p7.threshold", 3000, "tombstones that a page may meet in TestP7Cost, more than the rows that it has")
)

// P7: the cost of opening a mailbox depends on the mail in it, not on the mail
// that passed through it. The node allows few tombstones, so that a listing
// which read those of the mail that passed would fail.
func TestP7Cost(t *testing.T) {
	slow.Test(t, "40,000 messages, and a node of its own")
	t.Parallel()
	topology := cassandratest.Topology{Settings: map[string]any{
		"tombstone_warn_threshold":    *p7Threshold / 2,
		"tombstone_failure_threshold": *p7Threshold,
	}}
	if *p7Messages > 100_000 {
		topology.HeapMB, topology.JVM = 2048, []string{"-XX:TieredStopAtLevel=4"}
	}
	cluster := cassandratest.Start(t, topology)
	for _, pattern := range []struct {
		name string
		// keep reports whether message n of a day is still there at the end of
		// today. Both are from 0 to 29.
		keep func(day, today, n int) bool
		// bounded: the cost is that of a mailbox which never had more messages.
		bounded bool
	}{
		{"drained", func(int, int, int) bool { return false }, true},
		{"drained except 10 old survivors", func(day, _, n int) bool { return day == 2 && n < 10 }, true},
		{"a window of 14 days", func(day, today, _ int) bool { return day > today-14 }, true},
		{"half of it removed at random", func(day, _, n int) bool { return rand.New(rand.NewPCG(uint64(day), uint64(n))).IntN(2) == 0 }, false},
	} {
		t.Run(pattern.name, func(t *testing.T) {
			config := storetest.Migrate(t, cluster)
			config.BucketMessages = *p7Messages / 5 // so that the mailbox is crowded, as with a million by default
			live := passThrough(t, config, pattern.keep)
			passed := openingCost(t, cluster, config, "passed")
			require.Equal(t, live, passed.messages)
			fresh := openingCost(t, cluster, deliverAll(t, config, "fresh", live), "fresh")
			plain := plainCost(t, cluster, config, "passed")
			t.Logf("%d passed, %d live: %s; a fresh mailbox: %s; without seals: %s", *p7Messages, live, passed, fresh, plain)
			require.Less(t, passed.scanned, 3*live+2000, "rows and tombstones scanned")
			if pattern.bounded {
				require.LessOrEqual(t, passed.scanned, fresh.scanned+fresh.scanned/2+100)
			}
		})
	}
}

const p7Days = 30

// passThrough delivers messages to a mailbox on thirty days of the test's
// clock. Each day a session removes the messages that are not kept. It returns
// how many are left.
func passThrough(t *testing.T, config cassandra.Config, keep func(day, today, n int) bool) (live int) {
	clock := newClock(time.Now().Add(-p7Days*24*time.Hour - 3*time.Hour))
	config.Now = clock.Now
	config.SealAfter = -1 // only when the test asks
	real := config.Horizon
	config.Horizon = aLife // on a clock that goes on with every delivery, each of them takes long
	store := storetest.NewStore(t, config)
	daily := *p7Messages / p7Days
	kept := make(map[string][2]int)
	for today := range p7Days {
		for id, n := range deliverMany(t, store, "passed", daily, func() { clock.advance(24 * time.Hour / time.Duration(daily)) }) {
			kept[id] = [2]int{today, n}
		}
		var gone []string
		for id, m := range kept {
			if !keep(m[0], today, m[1]) {
				gone = append(gone, id)
				delete(kept, id)
			}
		}
		mb := storetest.Open(t, store, "passed")
		_, err := mailbox.List(t.Context(), mb)
		require.NoError(t, err)
		require.NoError(t, mb.Delete(t.Context(), gone))
	}
	// When everything is purged, the buckets can be sealed.
	storetest.CloseStore(t, store)
	config.Now, config.Horizon = nil, real
	require.NoError(t, storetest.NewStore(t, config).Prove(t.Context(), "passed"))
	return len(kept)
}

// deliverAll delivers messages to a user at the present time.
func deliverAll(t *testing.T, config cassandra.Config, user string, n int) cassandra.Config {
	deliverMany(t, storetest.NewStore(t, config), user, n, func() {})
	return config
}

// deliverMany delivers messages, many at the same time, and returns their
// numbers by their IDs.
func deliverMany(t *testing.T, store *cassandra.Store, user string, n int, tick func()) map[string]int {
	t.Helper()
	ids := make(map[string]int)
	var mu sync.Mutex
	var group sync.WaitGroup
	places := make(chan struct{}, 64)
	for i := range n {
		places <- struct{}{}
		tick()
		group.Go(func() {
			// As a sender does it tries again: on a busy machine the clock of
			// passThrough, which goes on with every delivery, runs far ahead of
			// a slow one, and the fence of a proof may refuse that.
			m, err := storetest.TryDeliver(t.Context(), store, user, storetest.Body(i))
			for tries := 1; tries < 4 && errors.Is(err, mailbox.ErrTemporary); tries++ {
				m, err = storetest.TryDeliver(t.Context(), store, user, storetest.Body(i))
			}
			<-places
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[m.ID] = i
		})
	}
	group.Wait()
	return ids
}

// cost is what one opening of a mailbox took.
type cost struct {
	messages   int
	scanned    int // rows and tombstones, on all nodes
	statements int
	took       time.Duration
	err        error
}

func (c cost) String() string {
	if c.err != nil {
		return fmt.Sprintf("failed: %v", c.err)
	}
	return fmt.Sprintf("%d messages, %d rows and tombstones scanned by %d statements in %.1f ms",
		c.messages, c.scanned, c.statements, float64(c.took.Microseconds())/1000)
}

// openingCost opens a mailbox in a process that knows nothing of it, with
// tracing, and then a few times without, to measure the time.
func openingCost(t *testing.T, cluster *cassandratest.Cluster, config cassandra.Config, user string) (c cost) {
	t.Helper()
	var seen storetest.Recorder
	config.Observer = seen.Observe
	var store *cassandra.Store
	const tries = 4 // a busy node may lose some of what it traces
	for range tries {
		store = storetest.NewStore(t, config)
		id, _, err := store.Mailbox(user)
		require.NoError(t, err)
		c.scanned = traced(t, cluster, id, func() int {
			seen.Take() // of Connect
			c.messages = len(storetest.List(t, store, user))
			c.statements = len(seen.Take())
			return c.statements
		})
		if c.scanned >= c.messages {
			break
		}
	}
	require.GreaterOrEqual(t, c.scanned, c.messages, "each message was read: the traces are whole")
	for range 5 {
		began := time.Now()
		storetest.List(t, store, user)
		if took := time.Since(began); c.took == 0 || took < c.took {
			c.took = took
		}
	}
	return c
}

// plainCost lists the same messages as a design without seals would: it reads
// all rows, and all tombstones.
func plainCost(t *testing.T, cluster *cassandratest.Cluster, config cassandra.Config, user string) (c cost) {
	t.Helper()
	db := cluster.Session(t, "")
	id, _, err := storetest.NewStore(t, config).Mailbox(user)
	require.NoError(t, err)
	c.scanned = traced(t, cluster, id, func() int {
		began := time.Now()
		var buckets []int64
		rows := db.Query(fmt.Sprintf("SELECT bucket FROM %s.ledger WHERE mailbox_id = ? AND bucket > -1", config.Keyspace), [16]byte(id)).Iter()
		for bucket := int64(0); rows.Scan(&bucket); {
			buckets = append(buckets, bucket)
		}
		require.NoError(t, rows.Close())
		for _, bucket := range buckets {
			rows := db.Query(fmt.Sprintf("SELECT message_id, size FROM %s.projection WHERE mailbox_id = ? AND bucket = ?", config.Keyspace), [16]byte(id), bucket).Iter()
			c.statements++
			for rows.Scan(nil, nil) {
				c.messages++
				if rows.WillSwitchPage() {
					c.statements++
				}
			}
			if err := rows.Close(); err != nil {
				c.err = err
			}
		}
		c.took = time.Since(began)
		return c.statements
	})
	return c
}

// What a node writes into a trace about a read, and about a read that it
// aborted.
var (
	readActivity    = regexp.MustCompile(`^Read (\d+) live rows and (\d+) tombstone cells`)
	abortedActivity = regexp.MustCompile(`^Scanned over (\d+) tombstones`)
)

// traced counts the rows and tombstones of a mailbox that the nodes scan while
// do runs. do returns how many statements about the mailbox it has sent.
func traced(t *testing.T, cluster *cassandratest.Cluster, mailbox cassandra.MailboxID, do func() int) (scanned int) {
	t.Helper()
	db := cluster.Session(t, "")
	trace := func(probability string) {
		for _, node := range cluster.Nodes {
			_, err := cluster.NodeTool(t.Context(), node.Name, "settraceprobability", probability)
			require.NoError(t, err)
		}
	}
	require.NoError(t, db.Query("TRUNCATE system_traces.events").Exec())
	require.NoError(t, db.Query("TRUNCATE system_traces.sessions").Exec())
	trace("1")
	statements := do()
	trace("0")
	// Traces are written after the queries. Their durations come last.
	var traces []gocql.UUID
	storetest.Eventually(t, "the traces", func() bool {
		traces = tracesOf(t, db, mailbox)
		return len(traces) >= statements
	})
	for _, id := range traces {
		rows := db.Query("SELECT activity FROM system_traces.events WHERE session_id = ?", id).Consistency(gocql.One).Iter()
		for activity := ""; rows.Scan(&activity); {
			match := append(readActivity.FindStringSubmatch(activity), abortedActivity.FindStringSubmatch(activity)...)
			for _, number := range match {
				n, _ := strconv.Atoi(number) // 0 for the whole match
				scanned += n
			}
		}
		require.NoError(t, rows.Close())
	}
	return scanned
}

// tracesOf returns the traces of the statements about a mailbox that are
// finished. Statements of other tests are traced too.
func tracesOf(t *testing.T, db *gocql.Session, mailbox cassandra.MailboxID) (ended []gocql.UUID) {
	rows := db.Query("SELECT session_id, duration, parameters FROM system_traces.sessions").Consistency(gocql.One).Iter()
	var id gocql.UUID
	var duration *int
	var parameters map[string]string
	for rows.Scan(&id, &duration, &parameters) {
		if parameters["bound_var_0_mailbox_id"] == mailbox.String() && duration != nil {
			ended = append(ended, id)
		}
	}
	require.NoError(t, rows.Close())
	return ended
}
