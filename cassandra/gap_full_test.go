package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// P7: if mail is left on the server, there is an empty range after each
// message, and a bucket is soon full of gaps. There is still a proof every
// [cassandra.Config.GapInterval], and not with every session that removes
// messages.
func TestP7ProofsWaitEvenIfABucketIsFullOfGaps(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	clock := newClock(bucketBegin(1))
	config.Now = clock.Now
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)

	kept := []string{storetest.Deliver(t, store, "demo", storetest.Body(0)).ID}
	clock.advance(3 * time.Hour)
	for full := false; !full; {
		before := len(tables.Gaps(id))
		require.Less(t, len(kept), 200, "the bucket never fills")
		for range 4 {
			kept = append(kept, storetest.Deliver(t, store, "demo", storetest.Body(len(kept))).ID)
			clock.advance(3 * time.Hour)
		}
		require.NoError(t, store.Prove(t.Context(), "demo"))
		full = before > 16 && len(tables.Gaps(id)) == before
	}
	require.Equal(t, kept, storetest.ListIDs(t, store, "demo"))

	other := storetest.NewStore(t, config) // which remembers nothing
	for _, prover := range []*cassandra.Store{store, other} {
		seen.Take()
		require.NoError(t, prover.Prove(t.Context(), "demo"))
		for _, o := range seen.Take() {
			require.NotEqual(t, "EACH_QUORUM", o.Consistency, "a proof that is not due: %s", o.Statement)
		}
	}
	clock.advance(2 * time.Hour)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	var fences int
	for _, o := range seen.Take() {
		if o.Consistency == "EACH_QUORUM" {
			fences++
		}
	}
	require.Positive(t, fences, "a proof that is due")
}

// P7: an old message is never removed, in a bucket that is full of gaps. What
// passes through after it is proven to be gone all the same: in that bucket
// from where a gap begins already, and in all later buckets.
func TestP7GapsGrowInABucketThatIsFullOfThem(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	first := bucketBegin(2)
	clock := newClock(first)
	config.Now = clock.Now
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)

	// No gap begins right after the first message: longer ones are recorded
	// instead.
	var kept []string
	for gap := time.Hour; len(kept) < 60; gap = 3 * time.Hour {
		kept = append(kept, storetest.Deliver(t, store, "demo", storetest.Body(len(kept))).ID)
		clock.advance(gap)
		if n := len(kept); n >= 20 && n%4 == 0 {
			require.NoError(t, store.Prove(t.Context(), "demo"))
		}
	}
	require.Len(t, tables.Gaps(id), 32, "the bucket is full")
	oldest, err := cassandra.ParseMessageID(kept[0])
	require.NoError(t, err)
	require.NotContains(t, tables.Gaps(id), oldest.Timestamp()+1)

	storetest.Remove(t, store, "demo", kept[1:])
	clock.set(first.Add(defaultBucket + defaultBucket/2))
	last := storetest.Deliver(t, store, "demo", storetest.Body(61)).ID
	storetest.Remove(t, store, "demo", []string{last})
	clock.advance(3 * time.Hour)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	end := clock.Now().Add(-time.Hour).UnixMicro()
	begin := end
	for start, until := range tables.Gaps(id) {
		if until == end {
			begin = min(begin, start)
		}
	}
	require.Less(t, begin, first.Add(12*time.Hour).UnixMicro(), "what is empty up to now")
	require.Len(t, tables.Gaps(id), 32, "no new row: one has grown over the others")
	require.Equal(t, kept[:1], storetest.ListIDs(t, store, "demo"))
	require.Equal(t, kept[:1], storetest.ListIDs(t, storetest.NewStore(t, config), "demo"))
}
