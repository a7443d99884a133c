package projection_test

import (
	"context"
	"fmt"
	"iter"
	"os"
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
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/projection"
)

func TestMain(m *testing.M) { os.Exit(paxostest.MainNoLeaks(m)) }

// levels are those at which the store lists.
var levels = []cql.Level{cql.LocalQuorum, cql.EachQuorum, cql.All}

// lowered is a cluster on which a read may meet 1,000 tombstones.
var lowered = cassandratest.Topology{Settings: map[string]any{
	"tombstone_warn_threshold": 500, "tombstone_failure_threshold": 1000,
}}

// usual changes nothing in the configuration.
func usual(*cassandra.Config) {}

// newSession makes a keyspace and connects to it.
func newSession(t *testing.T, topology cassandratest.Topology, change func(*cassandra.Config)) *cassandra.Session {
	t.Helper()
	return storetest.Connect(t, storetest.MigrateWith(t, cassandratest.Start(t, topology), change))
}

// The widths of buckets, as an ID has them in octet 9.
const (
	aMonth = 0
	anHour = 2
)

// newID makes an ID of a moment, of one of many hosts, in a bucket of 30 days.
func newID(at time.Time, host int) cassandra.MessageID { return newIDIn(aMonth, at, host) }

func newIDIn(width byte, at time.Time, host int) cassandra.MessageID {
	node := []byte{1, 0, 0, 0, byte(host >> 8), byte(host)}
	id := gocql.TimeUUIDWith(at.UnixMicro()*10+0x01B21DD213814000, uint32(host), node)
	id[9] = id[9]&^3 | width
	return cassandra.MessageID(id)
}

var fresh atomic.Int64

// newMailbox returns a mailbox that no other test has.
func newMailbox(t *testing.T, session *cassandra.Session) cassandra.MailboxID {
	id, _, err := session.Mailbox(fmt.Sprintf("user%d", fresh.Add(1)))
	require.NoError(t, err)
	return id
}

// whole returns the slices of the buckets of IDs, in order.
func whole(ids ...cassandra.MessageID) (list []cassandra.Slice) {
	var buckets []int64
	for _, id := range ids {
		buckets = append(buckets, id.Bucket())
	}
	slices.Sort(buckets)
	for _, bucket := range slices.Compact(buckets) {
		list = append(list, cassandra.BucketSlice(bucket))
	}
	return list
}

func collect(t *testing.T, seq iter.Seq2[cassandra.Entry, error]) (entries []cassandra.Entry) {
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

// fill adds many messages, side by side.
func fill(t *testing.T, session *cassandra.Session, mailbox cassandra.MailboxID, ids []cassandra.MessageID) {
	t.Helper()
	index := projection.New(session)
	require.NoError(t, parallel.Each(64, len(ids), func(i int) error {
		return index.Restore(t.Context(), mailbox, cassandra.Entry{ID: ids[i], Size: 1})
	}))
}

// idsInOrder returns n IDs of one bucket, three of each microsecond.
func idsInOrder(n int) []cassandra.MessageID {
	start := time.UnixMicro(whole(newID(time.Now(), 0))[0].From).Add(time.Hour)
	ids := make([]cassandra.MessageID, n)
	for i := range ids {
		ids[i] = newID(start.Add(time.Duration(i/3)*21*time.Millisecond), i)
	}
	slices.SortFunc(ids, cassandra.MessageID.Compare)
	return ids
}

// A listing that meets more tombstones than a node allows is read in parts. It
// is whole and in order, wherever the live messages are.
func TestTooManyTombstonesAreReadInParts(t *testing.T) {
	t.Parallel()
	session := newSession(t, lowered, usual)
	index := projection.New(session)
	const n = 4500
	ids := idsInOrder(n)
	slice := whole(ids...)
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
			for _, level := range levels {
				require.Equal(t, want, idsOf(collect(t, index.List(t.Context(), level, mailbox, slice))), level)
			}
			some := want[:min(len(want), 10)]
			seen := 0
			for entry, err := range index.List(t.Context(), cql.LocalQuorum, mailbox, slice) {
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

// reads counts attempts to read what is listed, by the levels of those that
// succeeded; others count as "failed".
type reads struct {
	mu  sync.Mutex
	all map[string]int
}

func (r *reads) observe(o cassandra.Observation) {
	if !strings.HasPrefix(o.Statement, "SELECT") || !strings.Contains(o.Statement, "FROM projection") {
		return
	}
	level := o.Consistency
	if o.Err != nil {
		level = "failed"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[string]int)
	}
	r.all[level]++
}

// take returns the counts, and begins again.
func (r *reads) take() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

// P7: a slice that names its messages is read by their keys, once, and does not
// meet the tombstones that lie between them.
func TestP7SlicesWithIDsMeetNoOtherTombstones(t *testing.T) {
	t.Parallel()
	var reads reads
	session := newSession(t, lowered, func(c *cassandra.Config) { c.Observer = reads.observe })
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	ids := idsInOrder(4500)
	var want, named, gone []cassandra.MessageID
	for i, id := range ids {
		switch {
		case i%100 == 0:
			want, named = append(want, id), append(named, id)
		case i%100 == 1: // named, and removed since
			named, gone = append(named, id), append(gone, id)
		default:
			gone = append(gone, id)
		}
	}
	fill(t, session, mailbox, want)
	require.NoError(t, index.Removed(t.Context(), mailbox, gone))
	slice := whole(ids...)[0]
	slice.From, slice.To, slice.IDs = ids[0].Timestamp(), ids[len(ids)-1].Timestamp(), named
	for _, level := range levels {
		reads.take()
		require.Equal(t, want, idsOf(collect(t, index.List(t.Context(), level, mailbox, []cassandra.Slice{slice}))))
		require.Equal(t, map[string]int{string(level): 1}, reads.take())
	}
	slice.IDs = nil
	require.Equal(t, want, idsOf(collect(t, index.List(t.Context(), cql.LocalQuorum, mailbox, []cassandra.Slice{slice}))))
	require.Positive(t, reads.take()["failed"], "the range has more tombstones than a read may meet")
}

// A listing asks the replicas of its level, also for the parts of a slice.
func TestListReadsAtItsLevel(t *testing.T) {
	t.Parallel()
	var reads reads
	session := newSession(t, lowered, func(c *cassandra.Config) { c.Observer = reads.observe })
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	ids := idsInOrder(1500)
	require.NoError(t, index.Removed(t.Context(), mailbox, ids[1:]))
	fill(t, session, mailbox, ids[:1])
	list := whole(append(ids, newID(ids[0].Time().AddDate(0, 2, 0), 0))...)
	require.Len(t, list, 2)
	for _, level := range levels {
		reads.take()
		require.Equal(t, ids[:1], idsOf(collect(t, index.List(t.Context(), level, mailbox, list))))
		seen := reads.take()
		require.Positive(t, seen["failed"], "too many tombstones")
		require.Greater(t, seen[string(level)], len(list), "the slices that were read, and parts")
		delete(seen, "failed")
		require.Len(t, seen, 1, "%v", seen)
	}
}

// More tombstones within a millisecond than a node allows, which no mailbox
// has, are an error that says so. The search ends, and the listing is not
// short.
func TestTooManyTombstonesInAMillisecond(t *testing.T) {
	t.Parallel()
	session := newSession(t, lowered, usual)
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	at := time.Now().Truncate(time.Millisecond)
	var ids []cassandra.MessageID
	for i := range 1500 {
		ids = append(ids, newID(at, i))
	}
	require.NoError(t, index.Removed(t.Context(), mailbox, ids))
	var last error
	for _, err := range index.List(t.Context(), cql.LocalQuorum, mailbox, whole(ids...)) {
		last = err
	}
	require.ErrorContains(t, last, "projection: list: ")
	require.ErrorContains(t, last, "TOMBSTONE")
}

// A message is too old at half of gc_grace_seconds, five days, and not before.
// A repair, which has seen it alive in every data centre, may add it.
func TestTooOldIsHalfOfGCGrace(t *testing.T) {
	t.Parallel()
	session := newSession(t, cassandratest.Topology{}, usual)
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	const half = 5 * 24 * time.Hour
	old := cassandra.Entry{ID: newID(time.Now().Add(-half-time.Minute), 1), Size: 1}
	young := cassandra.Entry{ID: newID(time.Now().Add(-half+time.Minute), 2), Size: 2}
	future := cassandra.Entry{ID: newID(time.Now().Add(half), 2), Size: 2}
	all := whole(old.ID, young.ID, future.ID)

	require.ErrorIs(t, index.Added(t.Context(), mailbox, old), cassandra.ErrTooOld)
	require.Empty(t, collect(t, index.List(t.Context(), cql.LocalQuorum, mailbox, all)))
	require.NoError(t, index.Added(t.Context(), mailbox, young))
	require.NoError(t, index.Added(t.Context(), mailbox, future))
	require.NoError(t, index.Restore(t.Context(), mailbox, old))
	require.Equal(t, []cassandra.Entry{old, young, future}, collect(t, index.List(t.Context(), cql.LocalQuorum, mailbox, all)))
	require.NoError(t, index.Removed(t.Context(), mailbox, []cassandra.MessageID{old.ID, young.ID, future.ID}))
	require.NoError(t, index.Restore(t.Context(), mailbox, old))
	require.Empty(t, collect(t, index.List(t.Context(), cql.LocalQuorum, mailbox, all)), "removed forever, a repair included")
}

// Calls about nothing do nothing. Errors say what was tried.
func TestInputs(t *testing.T) {
	t.Parallel()
	session := newSession(t, cassandratest.Topology{}, usual)
	index := projection.New(session)
	mailbox := newMailbox(t, session)
	e := cassandra.Entry{ID: newID(time.Now(), 1), Size: 1}
	all := whole(e.ID)
	require.NoError(t, index.Removed(t.Context(), mailbox, nil))
	require.Empty(t, collect(t, index.List(t.Context(), cql.LocalQuorum, mailbox, []cassandra.Slice{{Bucket: all[0].Bucket, From: all[0].To, To: all[0].From}})))
	require.NoError(t, index.Removed(t.Context(), mailbox, []cassandra.MessageID{e.ID, e.ID}))
	require.ErrorIs(t, index.Added(t.Context(), mailbox, cassandra.Entry{}), cassandra.ErrTooOld)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, index.Added(ended, mailbox, e), context.Canceled)
	require.ErrorIs(t, index.Restore(ended, mailbox, e), context.Canceled)
	require.ErrorIs(t, index.Removed(ended, mailbox, []cassandra.MessageID{e.ID}), context.Canceled)
	for _, err := range index.List(ended, cql.LocalQuorum, mailbox, all) {
		require.ErrorIs(t, err, context.Canceled)
	}

	long := cassandra.Entry{ID: newID(time.Now(), 2), Size: 1 << 62, UIDL: strings.Repeat("~", 70)}
	require.NoError(t, index.Added(t.Context(), mailbox, long))
	require.Equal(t, []cassandra.Entry{long}, collect(t, index.List(t.Context(), cql.LocalQuorum, mailbox, all)))

	closed := newSession(t, cassandratest.Topology{}, usual)
	closed.Close()
	err := projection.New(closed).Added(t.Context(), mailbox, e)
	require.ErrorContains(t, err, "projection: add "+e.ID.String())
	err = projection.New(closed).Removed(t.Context(), mailbox, []cassandra.MessageID{e.ID})
	require.ErrorContains(t, err, "projection: remove 1 messages")
}

// A removal of thousands has a batch for each 200 of a bucket.
func TestRemovingInBatches(t *testing.T) {
	t.Parallel()
	var statements, rows int
	session := newSession(t, cassandratest.Topology{}, func(c *cassandra.Config) {
		c.Observer = func(o cassandra.Observation) {
			if strings.HasPrefix(o.Statement, "DELETE") {
				statements, rows = statements+1, rows+max(1, o.Batch)
			}
		}
	})
	mailbox := newMailbox(t, session)
	var ids []cassandra.MessageID
	for i := range 1000 { // over 5 buckets, one after the other
		ids = append(ids, newIDIn(anHour, time.Now().Truncate(time.Hour).Add(-time.Duration(i%5)*time.Hour), i))
	}
	require.NoError(t, projection.New(session).Removed(t.Context(), mailbox, ids))
	require.Equal(t, 5, statements)
	require.Equal(t, 1000, rows)
}
