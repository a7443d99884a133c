package cassandra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
)

// Where mail is left on the server a new stretch begins behind each message, and
// a bucket has room for so many gaps. When it is full there is a proof every
// [cassandra.Config.GapInterval] all the same, not with every session that removes something.
func TestP7ProofsRestWhereABucketIsFullOfGaps(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	const month = 30 * 24 * time.Hour
	clock := newClock(time.Now().Truncate(month).Add(-month)) // the beginning of a bucket
	config.Now = clock.Now
	var seen recorder
	config.Observer = seen.observe
	store := newStore(t, config)
	db := cluster.Session(t, "")
	id, _, err := store.Mailbox("demo")
	require.NoError(t, err)

	kept := []string{deliver(t, store, "demo", body(0)).ID}
	clock.advance(3 * time.Hour)
	for full := false; !full; {
		before := len(gapRows(t, db, config.Keyspace, id))
		require.Less(t, len(kept), 200, "the bucket never fills")
		for range 4 {
			kept = append(kept, deliver(t, store, "demo", body(len(kept))).ID)
			clock.advance(3 * time.Hour)
		}
		require.NoError(t, store.Prove(t.Context(), "demo"))
		full = before > 16 && len(gapRows(t, db, config.Keyspace, id)) == before
	}
	require.Equal(t, kept, idsOf(list(t, store, "demo")))

	other := newStore(t, config) // which remembers nothing
	for _, prover := range []*cassandra.Store{store, other} {
		seen.take()
		require.NoError(t, prover.Prove(t.Context(), "demo"))
		for _, o := range seen.take() {
			require.NotEqual(t, "EACH_QUORUM", o.Consistency, "a proof that is not due: %s", o.Statement)
		}
	}
	clock.advance(2 * time.Hour)
	require.NoError(t, store.Prove(t.Context(), "demo"))
	var fences int
	for _, o := range seen.take() {
		if o.Consistency == "EACH_QUORUM" {
			fences++
		}
	}
	require.Positive(t, fences, "a proof that is due")
}
