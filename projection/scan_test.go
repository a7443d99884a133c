package projection_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/projection"
)

// A scan of a stretch of the ring lists what is in the buckets that lie there, in
// the order of the tokens and of the IDs, none of it twice, and nothing else.
func TestScanInOrderOfTheTokens(t *testing.T) {
	session := newSession(t, cassandratest.Topology{}, func(c *cassandra.Config) { c.Bucket = 24 * time.Hour })
	index := projection.New(session)
	var want []cassandra.Listed
	now := time.Now()
	for host := range 20 {
		mailbox := newMailbox(t, session)
		for range 30 {
			id := newID(now.Add(-rand.N(4*24*time.Hour)), host)
			l := cassandra.Listed{Mailbox: mailbox, Bucket: session.Bucket(id), Entry: cassandra.Entry{ID: id, Size: rand.Int64N(1000)}}
			require.NoError(t, index.Added(t.Context(), mailbox, l.Entry))
			want = append(want, l)
		}
	}
	order := func(a, b cassandra.Listed) int {
		if x, y := cassandra.Token(a.Mailbox, a.Bucket), cassandra.Token(b.Mailbox, b.Bucket); x != y {
			if x < y {
				return -1
			}
			return 1
		}
		return a.ID.Compare(b.ID)
	}
	slices.SortFunc(want, order)
	scan := func(ctx context.Context, after, until int64) (found []cassandra.Listed) {
		for l, err := range index.Scan(ctx, after, until) {
			require.NoError(t, err)
			found = append(found, l)
		}
		return found
	}
	require.Equal(t, want, scan(t.Context(), math.MinInt64, math.MaxInt64))

	middle := cassandra.Token(want[300].Mailbox, want[300].Bucket)
	var before, behind []cassandra.Listed
	for _, l := range want {
		if cassandra.Token(l.Mailbox, l.Bucket) <= middle {
			before = append(before, l)
		} else {
			behind = append(behind, l)
		}
	}
	require.Equal(t, before, scan(t.Context(), math.MinInt64, middle))
	require.Equal(t, behind, scan(t.Context(), middle, math.MaxInt64))
	require.Empty(t, scan(t.Context(), middle, middle))
	for l, err := range index.Scan(t.Context(), math.MinInt64, math.MaxInt64) { // broken off
		require.NoError(t, err)
		require.Equal(t, want[0], l)
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range index.Scan(ctx, math.MinInt64, math.MaxInt64) {
		require.ErrorIs(t, err, context.Canceled)
	}
}
