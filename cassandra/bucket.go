package cassandra

import (
	"iter"
	"slices"
	"time"
)

// Bucket is the window of time that a message belongs to: it shares a partition
// of the listing with the others of its window.
func (s *Session) Bucket(id MessageID) int64 { return s.bucketAt(id.Time()) }

func (s *Session) bucketAt(t time.Time) int64 {
	return floorDiv(t.UnixMicro(), s.bucket.Microseconds())
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// bucketSlice is a whole bucket.
func (s *Session) bucketSlice(bucket int64) Slice {
	width := s.bucket.Microseconds()
	return Slice{Bucket: bucket, From: bucket * width, To: (bucket+1)*width - 1}
}

// ByBucket groups IDs by their bucket, at most so many in a group, in the order
// in which the buckets come first.
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
