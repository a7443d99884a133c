package cassandra_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// Each benchmark compares the library with the bare driver: a loop that sends
// the same mutations and reads, in the same round trips, to the same cluster.
// The two take turns, one operation each, since a JVM gets faster with time and
// a shared machine may get slower.
//
//	go test ./cassandra -run '^$' -bench . -benchtime 5000x
//
// With -bench.dcs dc1:3,dc2:3 the nodes are these. They have the full compiler
// and a bigger heap.
var benchDCs = flag.String("bench.dcs", "dc1:1", "the nodes of benchmarks")

func benchTopology(b *testing.B) cassandratest.Topology {
	dcs, err := cassandratest.ParseDCs(*benchDCs)
	require.NoError(b, err)
	return cassandratest.Topology{DCs: dcs, HeapMB: 1024, JVM: []string{"-XX:TieredStopAtLevel=4"}}
}

type bench struct {
	store   *cassandra.Store
	session *gocql.Session
	body    string
}

func newBench(b *testing.B) bench {
	b.Helper()
	cluster := cassandratest.Start(b, benchTopology(b))
	config := storetest.Migrate(b, cluster)
	driver := cluster.Config(config.LocalDC)
	driver.Keyspace = config.Keyspace
	driver.Timeout = 10 * time.Second
	driver.DefaultTimestamp = false
	driver.Consistency = gocql.LocalQuorum
	driver.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.DCAwareRoundRobinPolicy(config.LocalDC), gocql.ShuffleReplicas())
	session, err := driver.CreateSession()
	require.NoError(b, err)
	b.Cleanup(session.Close)
	return bench{store: storetest.NewStore(b, config), session: session, body: fiveKB}
}

// both runs two functions at the same time.
func both(f, g func() error) error {
	var group sync.WaitGroup
	var failed error
	group.Go(func() { failed = f() })
	err := g()
	group.Wait()
	if err == nil {
		err = failed
	}
	return err
}

func (x bench) bare(user [16]byte) (gocql.UUID, error) {
	id := gocql.TimeUUID()
	at := id.Time().UnixMicro()
	sum := sha256.Sum256([]byte(x.body))
	size := int64(len(x.body))
	err := both(func() error {
		return x.session.Query("INSERT INTO message (message_id,chunk,data,mailbox_id,size,chunks,head,sha256) VALUES (?,?,?,?,?,?,?,?) USING TIMESTAMP ?",
			id, 0, []byte(x.body), gocql.UUID(user), size, 1, 26, sum[:], at).Idempotent(true).Exec()
	}, func() error {
		return x.session.Query("INSERT INTO mailbox_message (mailbox_id,bucket,message_id,uid,mod_seq,size) VALUES (?,?,?,?,?,?) USING TIMESTAMP ?",
			gocql.UUID(user), int64(1), id, int64(1), int64(1), size, at).Idempotent(true).Exec()
	})
	if err != nil {
		return id, err
	}
	return id, both(func() error {
		return x.session.Query("INSERT INTO projection (mailbox_id,bucket,message_id,size) VALUES (?,?,?,?) USING TIMESTAMP ?",
			gocql.UUID(user), int64(1), id, size, at).Idempotent(true).Exec()
	}, func() error {
		return x.session.Query("SELECT bucket,crowd,opened,seal,user,fence FROM ledger WHERE mailbox_id=? AND bucket IN (-1,?)", gocql.UUID(user), int64(1)).Idempotent(true).Iter().Close()
	})
}

// compare runs the library and the bare driver in turns.
func compare(b *testing.B, library, bare func(n int) error) {
	b.Helper()
	inTurns(b, [2]string{"library", "bare"}, [2]func(int) error{library, bare})
}

// inTurns runs two things in turns, in several goroutines, and reports the median
// time of an operation of each, and how much longer the first one takes.
func inTurns(b *testing.B, names [2]string, do [2]func(n int) error) {
	b.Helper()
	const workers = 8
	for n := range 500 { // both compilers, prepared statements, connections
		require.NoError(b, do[0](n))
		require.NoError(b, do[1](n))
	}
	took := [2][]time.Duration{make([]time.Duration, b.N), make([]time.Duration, b.N)}
	var next atomic.Int64
	b.ResetTimer()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				for turn := range 2 {
					which := (turn + int(n)) % 2
					began := time.Now()
					if err := do[which](int(n)); err != nil {
						b.Error(err)
						return
					}
					took[which][n-1] = time.Since(began)
				}
			}
		})
	}
	group.Wait()
	var medians [2]float64 // microseconds
	for i, name := range names {
		slices.Sort(took[i])
		medians[i] = float64(took[i][b.N/2]) / 1e3
		b.ReportMetric(medians[i], name+"-µs/op")
	}
	b.ReportMetric(100*(medians[0]/medians[1]-1), "%more")
	b.ReportMetric(0, "ns/op")
}

// users is over how many mailboxes the mail is spread.
const users = 80

func BenchmarkDeliver5KB(b *testing.B) {
	x := newBench(b)
	for n := range users {
		storetest.Deliver(b, x.store, fmt.Sprint("user", n), x.body)
	}
	compare(b, func(n int) error {
		_, err := mailbox.Deliver(b.Context(), x.store, mailbox.To(fmt.Sprint("user", n%users)), strings.NewReader(x.body))
		return err
	}, func(n int) error {
		_, err := x.bare([16]byte{15: byte(n % users)})
		return err
	})
}

func BenchmarkRetrieve5KB(b *testing.B) {
	x := newBench(b)
	const messages = 100
	var wanted []string
	for range messages {
		wanted = append(wanted, storetest.Deliver(b, x.store, "bob", x.body).ID)
	}
	user, _, err := x.store.Mailbox("bob")
	require.NoError(b, err)
	mb, err := x.store.Open(b.Context(), mailbox.Login{User: "bob"})
	require.NoError(b, err)
	_, err = mailbox.List(b.Context(), mb)
	require.NoError(b, err)
	compare(b, func(n int) error { // a message that is listed takes one read
		source, err := mb.Open(b.Context(), wanted[n%messages], mailbox.OpenOptions{})
		if err != nil {
			return err
		}
		defer source.Close()
		if n, err := io.Copy(io.Discard, source); err != nil || n != int64(len(x.body)) {
			return fmt.Errorf("%d octets, %w", n, err)
		}
		return nil
	}, func(n int) error {
		id, _ := gocql.ParseUUID(wanted[n%messages])
		var mailbox gocql.UUID
		var size int64
		var chunks, chunk int
		var data []byte
		err := x.session.Query("SELECT mailbox_id,size,chunks,chunk,data FROM message WHERE message_id=? AND chunk>=?", id, 0).
			PageSize(2).Idempotent(true).Scan(&mailbox, &size, &chunks, &chunk, &data)
		if err == nil && (len(data) != len(x.body) || mailbox != gocql.UUID(user)) {
			err = fmt.Errorf("%d octets", len(data))
		}
		return err
	})
}

func BenchmarkOpen100Messages(b *testing.B) {
	x := newBench(b)
	ledger, slice := x.openings(b)
	compare(b, func(int) error {
		mb, err := x.store.Open(b.Context(), mailbox.Login{User: "bob"})
		if err != nil {
			return err
		}
		list, err := mailbox.List(b.Context(), mb)
		if err == nil && len(list) != 100 {
			err = fmt.Errorf("%d messages", len(list))
		}
		return err
	}, func(int) error { return errors.Join(ledger(), slice()) })
}

// What it costs that an opening reads the ledger first, and then what it names:
// beside an opening that guesses what the ledger names, is right, and reads both
// at the same time.
func BenchmarkSecondRoundTrip(b *testing.B) {
	ledger, slice := newBench(b).openings(b)
	inTurns(b, [2]string{"two", "one"}, [2]func(int) error{
		func(int) error { return errors.Join(ledger(), slice()) },
		func(int) error { return both(ledger, slice) },
	})
}

// openings delivers 100 messages, and returns the two reads of an opening, by
// the bare driver.
func (x bench) openings(b *testing.B) (ledger, slice func() error) {
	for range 100 {
		storetest.Deliver(b, x.store, "bob", storetest.Body(1))
	}
	user, _, err := x.store.Mailbox("bob")
	require.NoError(b, err)
	ledger = func() error {
		return x.session.Query("SELECT bucket,crowd,opened,seal,user,fence FROM ledger WHERE mailbox_id=?", gocql.UUID(user)).Idempotent(true).Iter().Close()
	}
	slice = func() error {
		rows := x.session.Query("SELECT message_id,size,uidl FROM projection WHERE mailbox_id=? AND bucket=? AND message_id>=? AND message_id<=?",
			gocql.UUID(user), bucketNow(b, x.store), gocql.MinTimeUUID(time.Unix(0, 0)), gocql.MaxTimeUUID(time.Now().Add(time.Hour))).PageSize(2000).Idempotent(true).Iter()
		var id gocql.UUID
		var size int64
		var uidl string
		for rows.Scan(&id, &size, &uidl) {
		}
		return rows.Close()
	}
	return ledger, slice
}
