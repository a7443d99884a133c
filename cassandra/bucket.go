package cassandra

import (
	"iter"
	"slices"
	"time"
)

// Bucket returns the number of the bucket that an ID is in. A bucket is a
// window of the IDs' own time, as wide as [Config.Bucket]; bucket 0 begins in
// 1970. The messages of a mailbox that are in one bucket share a partition:
// (mailbox_id, bucket) is the partition key of the memberships, and of an
// [Index].
func (s *Session) Bucket(id MessageID) int64 { return s.bucketAt(id.Time()) }

func (s *Session) bucketAt(t time.Time) int64 {
	return floorDiv(t.UnixMicro(), s.bucket.Microseconds())
}

// floorDiv rounds down, also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// bucketSlice returns a whole bucket as a slice.
func (s *Session) bucketSlice(bucket int64) Slice {
	width := s.bucket.Microseconds()
	return Slice{Bucket: bucket, From: bucket * width, To: (bucket+1)*width - 1}
}

// ByBucket groups IDs by their bucket, into groups of no more than most IDs, so
// that an [Index] can write a group with one [cql.Batch]. The buckets, and the
// IDs in each of them, come in the order in which ids has them first.
func (s *Session) ByBucket(ids []MessageID, most int) iter.Seq2[int64, []MessageID] {
	return func(yield func(int64, []MessageID) bool) {
		groups := make(map[int64][]MessageID)
		var order []int64
		for _, id := range ids {
			bucket := s.Bucket(id)
			if groups[bucket] == nil {
				order = append(order, bucket)
			}
			groups[bucket] = append(groups[bucket], id)
		}
		for _, bucket := range order {
			for group := range slices.Chunk(groups[bucket], most) {
				if !yield(bucket, group) {
					return
				}
			}
		}
	}
}
