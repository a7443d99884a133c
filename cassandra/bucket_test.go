package cassandra

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Buckets cover all time, and do not overlap.
func TestBucketsTileTheTime(t *testing.T) {
	for _, width := range []time.Duration{time.Second, time.Minute, defaultBucket} {
		session := &Session{settings: settings{bucket: width}}
		rapid.Check(t, func(t *rapid.T) {
			bucket := rapid.Int64Range(-3, 1<<53/width.Microseconds()-1).Draw(t, "bucket")
			slice, next := session.bucketSlice(bucket), session.bucketSlice(bucket+1)
			require.Equal(t, slice.To+1, next.From)
			require.Equal(t, width.Microseconds(), slice.To-slice.From+1)
			if bucket >= 0 {
				first, last := slice.Borders()
				require.Equal(t, bucket, session.Bucket(first))
				require.Equal(t, bucket, session.Bucket(last))
			}
		})
	}
}
