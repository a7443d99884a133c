package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/dnstest"
	"github.com/popcask/popcask/internal/slow"
)

// Only a statement that no node has answered counts against the link.
func TestAnsweredAndUnanswered(t *testing.T) {
	for err, want := range map[error]bool{
		nil: true, gocql.ErrNotFound: true, answer{gocql.ErrCodeUnavailable}: true, fmt.Errorf("batch: %w", answer{gocql.ErrCodeInvalid}): true,
		gocql.ErrNoConnections: false, gocql.ErrTimeoutNoResponse: false, context.DeadlineExceeded: false, errors.New("connection reset by peer"): false,
	} {
		require.Equal(t, want, answered(err), "%v", err)
		require.Equal(t, !want, unanswered(err), "%v", err)
	}
	for _, err := range []error{context.Canceled, gocql.ErrSessionClosed, gocql.MarshalError("no number")} {
		require.False(t, answered(err), "%v", err)
		require.False(t, unanswered(err), "%v", err)
	}
}

// However many statements fail, there is one attempt to connect anew at a time,
// after rests that grow; and none before patience is over, after an answer, or
// after the session is closed.
func TestRenewalsAreBounded(t *testing.T) {
	attempts := make(chan chan error)
	var heard []error
	r := newRenewal(func(context.Context) (*link, error) {
		result := make(chan error)
		attempts <- result
		return nil, <-result
	}, func(*link) *link { return nil }, func(err error) { heard = append(heard, err) })
	start := time.Now()
	fail := func(at time.Duration) {
		for range 100 {
			r.unheard(start.Add(at))
		}
	}
	fail(0)
	fail(patience - 1)
	require.False(t, isRunning(r))
	r.note(cql.LocalQuorum, answer{gocql.ErrCodeUnavailable})
	fail(patience)
	require.False(t, isRunning(r), "a node has answered")
	lost := fmt.Errorf("no node there")
	for _, rest := range []time.Duration{1, 2, 4, 8, 10, 10} {
		before := time.Now()
		fail(time.Hour)
		fail(2 * time.Hour)
		require.True(t, isRunning(r))
		result := <-attempts
		result <- lost
		r.work.Wait()
		require.False(t, isRunning(r))
		require.WithinRange(t, r.notBefore, before.Add(rest*time.Second/2), time.Now().Add(rest*time.Second))
		fail(r.notBefore.Sub(start) - 1)
		require.False(t, isRunning(r), "it rests")
		require.ErrorIs(t, r.explain(gocql.ErrNoConnections), gocql.ErrNoConnections)
		require.ErrorContains(t, r.explain(gocql.ErrNoConnections), lost.Error())
		require.NoError(t, r.explain(nil))
	}
	require.Len(t, heard, 6)
	require.ErrorIs(t, heard[5], lost)

	renewAfterAnAnswer(t, r, attempts)
	r.close()
	fail(3 * time.Hour)
	fail(4 * time.Hour)
	require.False(t, isRunning(r))
}

// renewAfterAnAnswer has a lost link answer again. It may have found only some
// of its nodes, so it is replaced all the same, after the rest.
func renewAfterAnAnswer(t *testing.T, r *renewal, attempts <-chan chan error) {
	t.Helper()
	r.heard(r.notBefore.Add(-1))
	require.False(t, isRunning(r), "it rests")
	r.heard(r.notBefore)
	require.True(t, isRunning(r))
	result := <-attempts
	result <- nil
	r.work.Wait()
	r.heard(r.notBefore)
	require.False(t, isRunning(r), "the link is new")
	require.False(t, r.listening.Load())
	require.Equal(t, gocql.ErrNoConnections, r.explain(gocql.ErrNoConnections), "that was long ago")
}

func isRunning(r *renewal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running
}

// While another data centre says nothing, statements that need every data
// centre time out, perhaps for hours. That is no reason to connect anew; that
// no node can be asked is one.
func TestAnotherDataCentreThatIsSilentIsNoLoss(t *testing.T) {
	attempts := 0
	r := newRenewal(func(context.Context) (*link, error) {
		attempts++
		return nil, errors.New("nobody there")
	}, func(*link) *link { return nil }, nil)
	// lost reports whether failures that go on for longer than patience count.
	lost := func(level cql.Level, err error) bool {
		r.unansweredSince, r.lost, r.notBefore = time.Time{}, false, time.Time{}
		r.note(level, err)
		if !r.unansweredSince.IsZero() {
			r.unansweredSince = r.unansweredSince.Add(-patience)
		}
		before := attempts
		r.note(level, err)
		r.work.Wait()
		return attempts > before
	}
	for _, timeout := range []error{gocql.ErrTimeoutNoResponse, context.DeadlineExceeded, fmt.Errorf("batch: %w", gocql.ErrTimeoutNoResponse)} {
		require.False(t, lost(cql.EachQuorum, timeout), "%v", timeout)
		require.False(t, lost(cql.All, timeout), "%v", timeout)
		require.True(t, lost(cql.LocalQuorum, timeout), "%v", timeout)
		require.True(t, lost("ONE", timeout), "%v", timeout)
	}
	for _, level := range []cql.Level{cql.LocalQuorum, cql.EachQuorum} {
		require.True(t, lost(level, gocql.ErrNoConnections))
		require.False(t, lost(level, answer{gocql.ErrCodeReadTimeout}), "a node has answered")
	}
}

// blackHole takes connections at an address and says nothing, as soon as the
// address is free: much like the address of a pod that is gone.
func blackHole(t *testing.T, ctx context.Context, address string) {
	t.Helper()
	var listener net.Listener
	require.Eventually(t, func() bool {
		var err error
		listener, err = net.Listen("tcp", address)
		return err == nil
	}, time.Minute, time.Millisecond)
	context.AfterFunc(ctx, func() { listener.Close() })
}

// The only node comes back at another address, while the old address takes
// connections and says nothing. A driver alone would hang there for as long as
// connecting may take. The session takes a new link, which resolves the name
// again; a statement on the old link ends there first.
func TestDriverThatHasLostItsNodesIsReplaced(t *testing.T) {
	slow.Test(t, "a node of its own, which is killed")
	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true})
	dns := dnstest.Start(t)
	dns.Set("cassandra.test", cluster.Nodes[0].Address)
	seen := new(observations)
	var checks atomic.Int32
	keyspace := cluster.Keyspace(t)
	config := Config{
		Hosts:   []string{fmt.Sprintf("cassandra.test:%d", cluster.Nodes[0].Port)},
		LocalDC: "dc1", Keyspace: keyspace,
		ConnectTimeout: 10 * time.Minute, Timeout: 20 * time.Second, Observe: seen.tell,
		Check: func(ctx context.Context, s Connection) error {
			checks.Add(1)
			_, _, err := s.Tables(ctx, keyspace) // asks a node
			return err
		},
	}
	s, err := Connect(t.Context(), config)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Define(t.Context(), "CREATE TABLE t (k int, c int, v text, PRIMARY KEY (k, c))"))
	require.NoError(t, s.Exec(t.Context(), cql.LocalQuorum, insertT, 1, 1, 1, "before"))
	require.Equal(t, int32(1), checks.Load())
	first := s.link.Load()
	require.True(t, first.enter()) // a statement that is under way

	hole, fill := context.WithCancel(t.Context())
	defer fill()
	gone := cluster.Nodes[0]
	moveIntoAHole(t, hole, cluster, dns)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return s.Exec(ctx, cql.LocalQuorum, insertT, 2, 1, 2, "after") == nil
	}, 2*time.Minute, 50*time.Millisecond)
	require.Equal(t, map[int]string{1: "before", 2: "after"}, rowsOf(t, s, 1))
	require.NotSame(t, first, s.link.Load())
	require.GreaterOrEqual(t, checks.Load(), int32(2)) // a node that has just begun may be late
	all := seen.take()
	require.Equal(t, cluster.Nodes[0].Addr(), all[len(all)-1].Host, "the new link is observed too")

	require.False(t, first.x.Closed(), "a statement is under way")
	first.leave()
	require.Eventually(t, first.x.Closed, time.Minute, 10*time.Millisecond)
	s.renewal.work.Wait()

	dns.Set("cassandra.test", gone.Address)
	require.NoError(t, cluster.Shutdown(""))
	closeWhileConnecting(t, s)
}

// moveIntoAHole moves the node of a cluster to another address. Its old address
// takes connections and says nothing until hole ends.
func moveIntoAHole(t *testing.T, hole context.Context, cluster *cassandratest.Cluster, dns *dnstest.Server) {
	t.Helper()
	dns.Set("cassandra.test") // the pod is gone
	gone := cluster.Nodes[0].Addr()
	dug := make(chan struct{})
	go func() {
		defer close(dug)
		blackHole(t, hole, gone)
	}()
	require.NoError(t, cluster.Move(t.Context(), ""))
	<-dug
	dns.Set("cassandra.test", cluster.Nodes[0].Address)
}

// closeWhileConnecting closes a session while it connects anew to an address
// that says nothing: Close does not wait for that.
func closeWhileConnecting(t *testing.T, s *Session) {
	t.Helper()
	require.Eventually(t, func() bool {
		if s.Exec(t.Context(), cql.LocalQuorum, insertT, 3, 1, 3, "never") == nil {
			t.Error("it was written, and no node is there")
		}
		s.renewal.mu.Lock()
		defer s.renewal.mu.Unlock()
		return s.renewal.running
	}, time.Minute, 50*time.Millisecond)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.Close()
	}()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("Close waits for a node that says nothing")
	}
}

// Nodes of another cluster at the addresses of the configuration are not used,
// even if the keyspace and the tables have the same names: neither by the old
// link, which asks there after it has lost its own nodes, nor by a new one.
func TestAnotherClusterAtTheSameNameIsNotTaken(t *testing.T) {
	slow.Test(t, "two nodes of its own")
	own := cassandratest.Start(t, cassandratest.Topology{Private: true, Settings: map[string]any{"cluster_name": "mail"}})
	other := cassandratest.Start(t, cassandratest.Topology{Private: true, Settings: map[string]any{"cluster_name": "mail"}})
	const table = "CREATE TABLE mail.t (k int, c int, v text, PRIMARY KEY (k, c))"
	for _, cluster := range []*cassandratest.Cluster{own, other} {
		session := cluster.Session(t, "")
		require.NoError(t, session.Query("CREATE KEYSPACE mail WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}").Exec())
		require.NoError(t, session.Query(table).Exec())
		session.Close() // before its nodes go: the driver's own reconnecting is not free of races
	}
	require.Equal(t, own.Nodes[0].Port, other.Nodes[0].Port)
	dns := dnstest.Start(t)
	dns.Set("cassandra.test", own.Nodes[0].Address)
	var wanted [16]byte
	refused := errors.New("another cluster")
	s, err := Connect(t.Context(), Config{
		Hosts:   []string{fmt.Sprintf("cassandra.test:%d", own.Nodes[0].Port)},
		LocalDC: "dc1", Keyspace: "mail", Timeout: 5 * time.Second,
		Check: func(ctx context.Context, s Connection) error {
			id, err := s.TableID(ctx, "mail", "t")
			switch {
			case err != nil:
				return err
			case wanted == [16]byte{}:
				wanted = id
			case id != wanted:
				return refused
			}
			return nil
		},
	})
	require.NoError(t, err)
	defer s.Close()
	write := func() error { return s.Exec(t.Context(), cql.LocalQuorum, insertT, 1, 1, 1, "x") }
	require.NoError(t, write())

	require.NoError(t, own.Shutdown(""))
	dns.Set("cassandra.test", other.Nodes[0].Address)
	require.Eventually(t, func() bool {
		err := write()
		if err == nil {
			t.Error("it was written to the other cluster")
		}
		return t.Failed() || unanswered(err) && strings.Contains(err.Error(), refused.Error())
	}, time.Minute, 50*time.Millisecond)
	var rows int
	require.NoError(t, other.Session(t, "").Query("SELECT count(*) FROM mail.t").Scan(&rows))
	require.Zero(t, rows, "nothing was written there")

	dns.Set("cassandra.test", own.Nodes[0].Address)
	require.NoError(t, own.Boot(t.Context(), ""))
	require.Eventually(t, func() bool { return write() == nil }, time.Minute, 50*time.Millisecond)
}
