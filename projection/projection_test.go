package projection_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/projection"
)

func TestMain(m *testing.M) { os.Exit(paxostest.MainNoLeaks(m)) }

// lowered is a cluster on which a read may meet 1,000 tombstones.
var lowered = cassandratest.Topology{Settings: map[string]any{
	"tombstone_warn_threshold": 500, "tombstone_failure_threshold": 1000,
}}

// newSession makes a keyspace and connects to it.
func newSession(t *testing.T, topology cassandratest.Topology, change func(*cassandra.Config)) *cassandra.Session {
	t.Helper()
	cluster := cassandratest.Start(t, topology)
	dc := cluster.DCs[0]
	config := cassandra.Config{
		Hosts: cluster.Hosts(dc.Name), LocalDC: dc.Name, Keyspace: cluster.KeyspaceName(t), Timeout: 10 * time.Second,
		Observer: func(o cassandra.Observation) {
			if o.Conditional || !slices.Contains([]string{"LOCAL_QUORUM", "EACH_QUORUM", "ALL"}, o.Consistency) {
				t.Errorf("P9: %s at %s", o.Statement, o.Consistency)
			}
		},
	}
	if change != nil {
		change(&config)
	}
	paxostest.Watch(t, cluster, config.Keyspace)
	require.NoError(t, cassandra.Migrate(t.Context(), config, cassandra.Replication{dc.Name: min(3, dc.Nodes)}))
	session, err := cassandra.Connect(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(session.Close)
	return session
}

// newID makes an ID of a moment, of one of many hosts.
func newID(at time.Time, host int) cassandra.MessageID {
	node := []byte{1, 0, 0, 0, byte(host >> 8), byte(host)}
	return cassandra.MessageID(gocql.TimeUUIDWith(at.UnixMicro()*10+0x01B21DD213814000, uint32(host), node))
}

var fresh atomic.Int64

// newMailbox is one that no other test has.
func newMailbox(t require.TestingT, session *cassandra.Session) cassandra.MailboxID {
	id, _, err := session.Mailbox(fmt.Sprintf("user%d", fresh.Add(1)))
	require.NoError(t, err)
	return id
}

// width of the usual bucket.
const width = 30 * 24 * time.Hour

// whole are the slices of the buckets of IDs, in order.
func whole(session *cassandra.Session, width time.Duration, ids []cassandra.MessageID) (list []cassandra.Slice) {
	var buckets []int64
	for _, id := range ids {
		buckets = append(buckets, session.Bucket(id))
	}
	slices.Sort(buckets)
	for _, bucket := range slices.Compact(buckets) {
		from := bucket * width.Microseconds()
		list = append(list, cassandra.Slice{Bucket: bucket, From: from, To: from + width.Microseconds() - 1})
	}
	return list
}

func collect(t require.TestingT, seq iter.Seq2[cassandra.Entry, error]) (entries []cassandra.Entry) {
	for entry, err := range seq {
		require.NoError(t, err)
		entries = append(entries, entry)
	}
	return entries
}

func idsOf(entries []cassandra.Entry) (ids []cassandra.MessageID) {
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// P3: calls that come twice, late and in any order leave the same behind:
// whatever was removed is not listed, whatever else was added is.
func TestP3CallsCommute(t *testing.T) {
	t.Parallel()
	session := newSession(t, cassandratest.Topology{}, nil)
	index := projection.New(session)
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		mailbox := newMailbox(t, session)
		now := time.Now()
		var entries []cassandra.Entry
		var calls []string
		for i := range rapid.IntRange(1, 6).Draw(t, "messages") {
			e := cassandra.Entry{ID: newID(now.Add(-time.Duration(i/2)*time.Microsecond), i), Size: int64(100 + i)}
			if rapid.Bool().Draw(t, "foreign") {
				e.UIDL = fmt.Sprintf("foreign-%d", i)
			}
			entries = append(entries, e)
			calls = append(calls, fmt.Sprintf("added %d", i), fmt.Sprintf("removed %d", i), fmt.Sprintf("restore %d", i))
		}
		added, removed := make(map[int]bool), make(map[int]bool)
		for _, call := range rapid.SliceOfN(rapid.SampledFrom(calls), 1, 20).Draw(t, "calls") {
			var verb string
			var i int
			fmt.Sscan(call, &verb, &i)
			switch verb {
			case "added":
				added[i] = true
				require.NoError(t, index.Added(ctx, mailbox, entries[i]))
			case "restore":
				added[i] = true
				require.NoError(t, index.Restore(ctx, mailbox, entries[i]))
			default:
				removed[i] = true
				require.NoError(t, index.Removed(ctx, mailbox, []cassandra.MessageID{entries[i].ID}))
			}
		}
		var want []cassandra.Entry
		for i, e := range entries {
			if added[i] && !removed[i] {
				want = append(want, e)
			}
		}
		slices.SortFunc(want, func(a, b cassandra.Entry) int { return a.ID.Compare(b.ID) })
		all := whole(session, width, idsOf(entries))
		require.Equal(t, want, collect(t, index.List(ctx, mailbox, all)))
		require.Equal(t, want, collect(t, index.ListEverywhere(ctx, mailbox, all)))
	})
}

// Many buckets, more than are read at a time, and more than a page in some: in
// the order of the IDs, each once; and a slice has what lies in it.
func TestListInOrder(t *testing.T) {
	t.Parallel()
	session := newSession(t, cassandratest.Topology{}, func(c *cassandra.Config) { c.Bucket = time.Minute })
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	start := time.Now().Truncate(time.Minute).Add(-time.Hour)
	var ids []cassandra.MessageID
	for i := range 60 { // a message in each of 30 buckets, 2 apart
		ids = append(ids, newID(start.Add(time.Duration(i)*time.Minute), i))
	}
	for i := range 4500 {
		ids = append(ids, newID(start.Add(30*time.Minute+time.Duration(i)*10*time.Millisecond), i))
	}
	fill(t, session, mailbox, ids)
	slices.SortFunc(ids, cassandra.MessageID.Compare)
	require.Equal(t, ids, idsOf(collect(t, index.List(t.Context(), mailbox, whole(session, time.Minute, ids)))))

	bucket := session.Bucket(ids[len(ids)/2])
	from, to := ids[len(ids)/2].Timestamp(), ids[len(ids)/2+200].Timestamp()
	for _, slice := range []cassandra.Slice{
		{Bucket: bucket, From: from, To: to}, {Bucket: bucket, From: from + 1, To: to - 1}, {Bucket: bucket, From: from, To: from}, {Bucket: bucket, From: to, To: from},
	} {
		var want []cassandra.MessageID
		for _, id := range ids {
			if at := id.Timestamp(); slice.From <= at && at <= slice.To && session.Bucket(id) == bucket {
				want = append(want, id)
			}
		}
		require.Equal(t, want, idsOf(collect(t, index.List(t.Context(), mailbox, []cassandra.Slice{slice}))))
	}
	require.Empty(t, collect(t, index.List(t.Context(), mailbox, nil)))
	require.Empty(t, collect(t, index.List(t.Context(), newMailbox(t, session), whole(session, time.Minute, ids))))

	// A range that ends early, and one that is cancelled.
	all := whole(session, time.Minute, ids)
	for _, n := range []int{1, 2, 31, 3000} {
		seen := 0
		for _, err := range index.List(t.Context(), mailbox, all) {
			require.NoError(t, err)
			if seen++; seen == n {
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		seen = 0
		var last error
		for _, err := range index.List(ctx, mailbox, all) {
			if last = err; err != nil {
				break
			}
			if seen++; seen == n {
				cancel()
			}
		}
		require.ErrorIs(t, last, context.Canceled, "never silently short")
		cancel()
	}
}

// fill adds and removes many messages, quickly.
func fill(t *testing.T, session *cassandra.Session, mailbox cassandra.MailboxID, ids []cassandra.MessageID) {
	t.Helper()
	index := projection.New(session)
	places := make(chan struct{}, 64)
	errs := make(chan error, len(ids))
	for _, id := range ids {
		places <- struct{}{}
		go func() {
			errs <- index.Restore(context.Background(), mailbox, cassandra.Entry{ID: id, Size: 1})
			<-places
		}()
	}
	for range ids {
		require.NoError(t, <-errs)
	}
}

// A listing that meets more tombstones than a node allows is read in halves:
// it is complete and in order, wherever the live messages are.
func TestTooManyTombstonesAreReadInHalves(t *testing.T) {
	t.Parallel()
	session := newSession(t, lowered, nil)
	index := projection.New(session)
	const n = 4500
	start := time.Now().Truncate(width).Add(time.Hour)
	ids := make([]cassandra.MessageID, n)
	for i := range ids {
		ids[i] = newID(start.Add(time.Duration(i)*7*time.Millisecond), i)
	}
	slice := whole(session, width, ids[:1])
	for name, live := range map[string]func(i int) bool{
		"none":                          func(int) bool { return false },
		"the last":                      func(i int) bool { return i == n-1 },
		"the first":                     func(i int) bool { return i == 0 },
		"one in 500":                    func(i int) bool { return i%500 == 0 },
		"every other one":               func(i int) bool { return i%2 == 0 },
		"a page before":                 func(i int) bool { return i < 2000 },
		"a page and one before":         func(i int) bool { return i < 2001 },
		"in the middle":                 func(i int) bool { return i > 1100 && i < 3300 },
		"at both ends, pages and rests": func(i int) bool { return i < 2100 || i > 3500 },
	} {
		t.Run(name, func(t *testing.T) {
			mailbox := newMailbox(t, session)
			var want, gone []cassandra.MessageID
			for i, id := range ids {
				if live(i) {
					want = append(want, id)
				} else {
					gone = append(gone, id)
				}
			}
			fill(t, session, mailbox, want)
			require.NoError(t, index.Removed(t.Context(), mailbox, gone)) // also what was never added leaves its tombstones
			require.Equal(t, want, idsOf(collect(t, index.List(t.Context(), mailbox, slice))))
			require.Equal(t, want, idsOf(collect(t, index.ListEverywhere(t.Context(), mailbox, slice))))
			some := want[:min(len(want), 10)]
			seen := 0
			for entry, err := range index.List(t.Context(), mailbox, slice) {
				require.NoError(t, err)
				if seen == len(some) {
					break
				}
				require.Equal(t, some[seen], entry.ID)
				seen++
			}
		})
	}
}

// More tombstones than a node allows within a millisecond, which no mailbox can
// have: an error that says so, not an endless search and not a short listing.
func TestTooManyTombstonesInAMillisecond(t *testing.T) {
	t.Parallel()
	session := newSession(t, lowered, nil)
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	at := time.Now().Truncate(time.Millisecond)
	var ids []cassandra.MessageID
	for i := range 1500 {
		ids = append(ids, newID(at, i))
	}
	require.NoError(t, index.Removed(t.Context(), mailbox, ids))
	var last error
	for _, err := range index.List(t.Context(), mailbox, whole(session, width, ids)) {
		last = err
	}
	require.ErrorContains(t, last, "projection: list: ")
	require.ErrorContains(t, last, "TOMBSTONE")
}

// An event that is older than half of gc_grace is refused; a repair, which has
// seen the message alive everywhere, may add it.
func TestOldEventsAreRefused(t *testing.T) {
	t.Parallel()
	session := newSession(t, cassandratest.Topology{}, nil)
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	const half = 5 * 24 * time.Hour
	old := cassandra.Entry{ID: newID(time.Now().Add(-half-time.Minute), 1), Size: 1}
	young := cassandra.Entry{ID: newID(time.Now().Add(-half+time.Minute), 2), Size: 2}
	future := cassandra.Entry{ID: newID(time.Now().Add(half), 2), Size: 2}
	all := whole(session, width, []cassandra.MessageID{old.ID, young.ID, future.ID})

	require.ErrorIs(t, index.Added(t.Context(), mailbox, old), cassandra.ErrTooOld)
	require.Empty(t, collect(t, index.List(t.Context(), mailbox, all)))
	require.NoError(t, index.Added(t.Context(), mailbox, young))
	require.NoError(t, index.Added(t.Context(), mailbox, future))
	require.NoError(t, index.Restore(t.Context(), mailbox, old))
	require.Equal(t, []cassandra.Entry{old, young, future}, collect(t, index.List(t.Context(), mailbox, all)))
	require.NoError(t, index.Removed(t.Context(), mailbox, []cassandra.MessageID{old.ID, young.ID, future.ID}))
	require.NoError(t, index.Restore(t.Context(), mailbox, old))
	require.Empty(t, collect(t, index.List(t.Context(), mailbox, all)), "removed for ever, a repair included")
}

// Inputs that mean nothing do nothing, and errors say what was tried.
func TestInputs(t *testing.T) {
	t.Parallel()
	session := newSession(t, cassandratest.Topology{}, nil)
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	e := cassandra.Entry{ID: newID(time.Now(), 1), Size: 1}
	all := whole(session, width, []cassandra.MessageID{e.ID})
	require.NoError(t, index.Removed(t.Context(), mailbox, nil))
	require.NoError(t, index.Removed(t.Context(), mailbox, []cassandra.MessageID{e.ID, e.ID}))
	require.ErrorIs(t, index.Added(t.Context(), mailbox, cassandra.Entry{}), cassandra.ErrTooOld)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, index.Added(ended, mailbox, e), context.Canceled)
	require.ErrorIs(t, index.Restore(ended, mailbox, e), context.Canceled)
	require.ErrorIs(t, index.Removed(ended, mailbox, []cassandra.MessageID{e.ID}), context.Canceled)
	for _, err := range index.List(ended, mailbox, all) {
		require.ErrorIs(t, err, context.Canceled)
	}

	long := cassandra.Entry{ID: newID(time.Now(), 2), Size: 1 << 62, UIDL: strings.Repeat("~", 70)}
	require.NoError(t, index.Added(t.Context(), mailbox, long))
	require.Equal(t, []cassandra.Entry{long}, collect(t, index.List(t.Context(), mailbox, all)))

	closed := newSession(t, cassandratest.Topology{}, nil)
	closed.Close()
	err := projection.New(closed).Added(t.Context(), mailbox, e)
	require.ErrorContains(t, err, "projection: add "+e.ID.String())
	err = projection.New(closed).Removed(t.Context(), mailbox, []cassandra.MessageID{e.ID})
	require.ErrorContains(t, err, "projection: remove 1 messages")
}

// Removing thousands is a statement for 200 of a bucket.
func TestRemovingInBatches(t *testing.T) {
	t.Parallel()
	var statements, rows int
	session := newSession(t, cassandratest.Topology{}, func(c *cassandra.Config) {
		c.Bucket = time.Hour
		watch := c.Observer
		c.Observer = func(o cassandra.Observation) {
			watch(o)
			if strings.HasPrefix(o.Statement, "DELETE") {
				statements, rows = statements+1, rows+max(1, o.Batch)
			}
		}
	})
	mailbox := newMailbox(t, session)
	var ids []cassandra.MessageID
	for i := range 1000 { // over 5 buckets, one after the other
		ids = append(ids, newID(time.Now().Truncate(time.Hour).Add(-time.Duration(i%5)*time.Hour), i))
	}
	require.NoError(t, projection.New(session).Removed(t.Context(), mailbox, ids))
	require.Equal(t, 5, statements)
	require.Equal(t, 1000, rows)
}
