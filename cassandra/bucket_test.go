package cassandra

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// longs are the lengths of the windows. The last width is not minted.
var longs = []time.Duration{aMonth: 30 * 24 * time.Hour, aDay: 24 * time.Hour, anHour: time.Hour, 3: time.Hour}

// Buckets of each width cover all time, and do not overlap. The slice of a
// bucket has the IDs that are in the bucket, and no others.
func TestBucketsTileTheTime(t *testing.T) {
	for i, long := range longs {
		wide := width(i)
		rapid.Check(t, func(t *rapid.T) {
			window := rapid.Int64Range(-3, 1<<53/long.Microseconds()-1).Draw(t, "window")
			bucket := window*4 + int64(wide)
			require.Equal(t, wide, widthOf(bucket))
			slice, next := BucketSlice(bucket), BucketSlice(bucket+4)
			require.Equal(t, bucket, slice.Bucket)
			require.Equal(t, slice.To+1, next.From)
			require.Equal(t, long.Microseconds(), slice.To-slice.From+1)
			for _, at := range []int64{slice.From, slice.To, rapid.Int64Range(slice.From, slice.To).Draw(t, "inside")} {
				require.Equal(t, bucket, wide.at(at))
			}
			for _, at := range []int64{slice.From - 1, slice.To + 1} {
				require.NotEqual(t, bucket, wide.at(at))
			}
		})
	}
}

// The bucket of an ID is the one whose slice has the ID's time, of the width
// that the ID says: whatever the rest of the ID is.
func TestBucketOfAnID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Custom(someID).Draw(t, "id")
		wide := width(rapid.IntRange(0, len(longs)-1).Draw(t, "width"))
		id[9] = id[9]&^3 | byte(wide)
		bucket := id.Bucket()
		require.Equal(t, wide, widthOf(bucket))
		require.Equal(t, wide.at(id.Timestamp()), bucket)
		slice := BucketSlice(bucket)
		require.LessOrEqual(t, slice.From, id.Timestamp())
		require.LessOrEqual(t, id.Timestamp(), slice.To)
		require.Equal(t, longs[wide].Microseconds(), slice.To-slice.From+1)
		first, last := slice.Borders()
		require.LessOrEqual(t, first.Compare(id), 0)
		require.LessOrEqual(t, id.Compare(last), 0)
	})
}

// IDs are grouped by their buckets, in their order, and no group is too large.
func TestByBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOf(rapid.Custom(someID)).Draw(t, "ids")
		most := rapid.IntRange(1, 10).Draw(t, "most")
		want, got := make(map[int64][]MessageID), make(map[int64][]MessageID)
		var first, order []int64
		for _, id := range ids {
			if want[id.Bucket()] == nil {
				first = append(first, id.Bucket())
			}
			want[id.Bucket()] = append(want[id.Bucket()], id)
		}
		for bucket, group := range ByBucket(ids, most) {
			require.NotEmpty(t, group)
			require.LessOrEqual(t, len(group), most)
			require.Zero(t, len(got[bucket])%most, "only the last group of a bucket is smaller")
			got[bucket] = append(got[bucket], group...)
			order = append(order, bucket)
		}
		require.Equal(t, want, got)
		require.Equal(t, first, slices.Compact(order))
	})
}
