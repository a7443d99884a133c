package driver

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/paxostest"
)

func TestMain(m *testing.M) { os.Exit(paxostest.MainNoLeaks(m)) }

type observations struct {
	mu   sync.Mutex
	seen []cql.Observation
}

func (o *observations) tell(seen cql.Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, seen)
}

func (o *observations) take() []cql.Observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := o.seen
	o.seen = nil
	return seen
}

// newSession connects to a keyspace with a table t.
func newSession(t *testing.T, seen *observations) (*Session, *cassandratest.Cluster, Config) {
	t.Helper()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := Config{
		Hosts: cluster.Hosts(""), LocalDC: cluster.DCs[0].Name, Keyspace: cluster.Keyspace(t),
		Timeout: 10 * time.Second, Observe: seen.tell,
	}
	s, err := Connect(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.NoError(t, s.Define(t.Context(), "CREATE TABLE t (k int, c int, v text, PRIMARY KEY (k, c))"))
	return s, cluster, config
}

var (
	tableT  = cql.Table{Name: "t", Partition: []string{"k"}, Clustering: []string{"c"}, Columns: []string{"v"}}
	insertT = tableT.Insert("v")
	deleteT = tableT.Delete()
	selectT = tableT.Select(10, "c", "v").Where(cql.Equal("k"))
)

func rowsOf(t *testing.T, s *Session, k int) map[int]string {
	t.Helper()
	found := make(map[int]string)
	require.NoError(t, cql.Each(t.Context(), s, cql.LocalQuorum, selectT, func(row cql.Row) error {
		var c int
		var v string
		if err := row.Scan(&c, &v); err != nil {
			return err
		}
		found[c] = v
		return nil
	}, k))
	return found
}

// The timestamp is the caller's. Neither the order of the calls nor the clock
// matters.
func TestTimestampsAreTheCallers(t *testing.T) {
	seen := new(observations)
	s, cluster, config := newSession(t, seen)
	paxostest.Watch(t, cluster, config.Keyspace)
	ctx := t.Context()
	require.NoError(t, s.Exec(ctx, cql.LocalQuorum, insertT, 20, 1, 1, "later"))
	require.NoError(t, s.Exec(ctx, cql.LocalQuorum, insertT, 10, 1, 1, "earlier"))
	require.Equal(t, map[int]string{1: "later"}, rowsOf(t, s, 1))
	require.NoError(t, s.Exec(ctx, cql.LocalQuorum, deleteT, 19, 1, 1))
	require.Equal(t, map[int]string{1: "later"}, rowsOf(t, s, 1))
	require.NoError(t, s.Exec(ctx, cql.LocalQuorum, deleteT, 21, 1, 1))
	require.NoError(t, s.Exec(ctx, cql.LocalQuorum, insertT, 20, 1, 1, "replayed"))
	require.Empty(t, rowsOf(t, s, 1))

	// In a batch each write has its own.
	var batch cql.Batch
	for c := range 4 {
		batch.Add(insertT, int64(100+c), 2, c, fmt.Sprint(c))
	}
	batch.Add(deleteT, 101, 2, 0)
	batch.Add(deleteT, 100, 2, 1)
	require.Equal(t, 6, batch.Len())
	require.NoError(t, s.ExecBatch(ctx, cql.LocalQuorum, &batch))
	require.Equal(t, map[int]string{1: "1", 2: "2", 3: "3"}, rowsOf(t, s, 2))
	require.NoError(t, s.ExecBatch(ctx, cql.LocalQuorum, new(cql.Batch)), "an empty batch asks no node")
	var times []int64
	rows := cluster.Session(t, "").Query("SELECT writetime(v) FROM " + config.Keyspace + ".t WHERE k = 2").Iter()
	for at := int64(0); rows.Scan(&at); {
		times = append(times, at)
	}
	require.NoError(t, rows.Close())
	require.Equal(t, []int64{101, 102, 103}, times)
	for _, o := range seen.take() {
		require.False(t, o.Conditional)
		require.Equal(t, "LOCAL_QUORUM", o.Consistency)
		require.NotEmpty(t, o.Host)
		require.NoError(t, o.Err)
	}
}

// Each row is read once, whatever its place in a page, and an error of a page
// is returned.
func TestPages(t *testing.T) {
	s, cluster, config := newSession(t, new(observations))
	paxostest.Watch(t, cluster, config.Keyspace)
	for _, n := range []int{0, 1, 9, 10, 11, 20, 25} {
		for c := range n {
			require.NoError(t, s.Exec(t.Context(), cql.LocalQuorum, insertT, 1, 100+n, c, "x"))
		}
		require.Len(t, rowsOf(t, s, 100+n), n)
		var state []byte
		pages, rows := 0, 0
		for {
			next, err := s.Page(t.Context(), cql.LocalQuorum, selectT, state, func(row cql.Row) error {
				rows++
				var c int
				var v string
				return row.Scan(&c, &v)
			}, 100+n)
			require.NoError(t, err)
			pages++
			if state = next; next == nil {
				break
			}
		}
		require.Equal(t, n, rows)
		require.LessOrEqual(t, pages, n/10+1)
	}
	stop := fmt.Errorf("enough")
	require.ErrorIs(t, cql.Each(t.Context(), s, cql.LocalQuorum, selectT, func(cql.Row) error { return stop }, 125), stop)
	require.Error(t, cql.Each(t.Context(), s, cql.LocalQuorum, selectT, func(row cql.Row) error { var c string; return row.Scan(&c) }, 125))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, cql.Each(ended, s, cql.LocalQuorum, selectT, func(cql.Row) error { return nil }, 125), context.Canceled)
}

// A statement that cannot succeed is tried once.
func TestMistakesAreNotTriedAgain(t *testing.T) {
	seen := new(observations)
	s, _, _ := newSession(t, seen)
	seen.take()
	require.Error(t, s.Exec(t.Context(), cql.LocalQuorum, insertT, 1, "no number", 1, "x"))
	require.Error(t, s.Exec(t.Context(), cql.LocalQuorum, cql.Table{Name: "nothere", Partition: []string{"k"}}.Insert(), 1, 1))
	err := s.Exec(t.Context(), cql.LocalQuorum, cql.Table{Name: "t", Partition: []string{"k"}, Clustering: []string{"c"}, Columns: []string{"nothere"}}.Insert("nothere"), 1, 1, 1, 1)
	require.Error(t, err)
	require.True(t, invalid(err))
	require.False(t, tooManyTombstones(err))
	for _, o := range seen.take() {
		require.Zero(t, o.Attempt, o.Statement)
	}
}

// A test of the tests of P9: a statement with a condition, which package cql
// cannot make, is seen for what it is if it is sent all the same, and leaves
// its row in system.paxos.
func TestP9TheObserverSeesARealTransaction(t *testing.T) {
	seen := new(observations)
	s, cluster, config := newSession(t, seen)
	smuggled := "INSERT INTO t (k,c,v) VALUES (?,?,?) IF NOT EXISTS"
	require.NoError(t, s.use(cql.LocalQuorum, func(x *gocql.Session) error {
		return x.Query(smuggled, 1, 1, "x").Observer(observer{cql.LocalQuorum, 0, seen.tell}).Exec()
	}))
	all := seen.take()
	require.Len(t, all, 1)
	require.True(t, all[0].Conditional)

	for _, level := range []cql.Level{"SERIAL", "LOCAL_SERIAL", ""} {
		_, err := s.Page(t.Context(), level, selectT, nil, func(cql.Row) error { return nil }, 1)
		require.ErrorContains(t, err, "consistency level")
		require.ErrorContains(t, s.Exec(t.Context(), level, insertT, 1, 1, 1, "x"), "consistency level")
	}
	require.Empty(t, seen.take())

	tables, err := paxostest.Tables(cluster, config.Keyspace)
	require.NoError(t, err)
	found := 0
	for _, node := range cluster.Nodes {
		rows, err := paxostest.Rows(node.Addr(), tables)
		require.NoError(t, err)
		found += len(rows)
	}
	require.Positive(t, found)
}

func TestConnectErrors(t *testing.T) {
	_, cluster, config := newSession(t, new(observations))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dead := listener.Addr().String()
	require.NoError(t, listener.Close())
	for want, change := range map[string]func(*Config){
		"no hosts given":               func(c *Config) { c.Hosts = nil },
		"no local data centre given: ": func(c *Config) { c.LocalDC = "" },
		`the cluster has no data centre "pariss": it has ` + cluster.DCs[0].Name: func(c *Config) { c.LocalDC = "pariss" },
		`keyspace "nothere": the keyspace does not exist`:                        func(c *Config) { c.Keyspace = "nothere" },
		"no node of " + dead + " answers: ":                                      func(c *Config) { c.Hosts = []string{dead} },
	} {
		c := config
		change(&c)
		_, err := Connect(t.Context(), c)
		require.ErrorContains(t, err, want)
	}
	// If a node takes connections and says nothing, Connect ends with its
	// context.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	c := config
	c.Hosts, c.ConnectTimeout = []string{silent.Addr().String()}, 2*time.Second
	began := time.Now()
	_, err = Connect(ctx, c)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 2*time.Second)
}
