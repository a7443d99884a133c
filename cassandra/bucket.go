package cassandra

import (
	"iter"
	"slices"
	"time"
)

// The messages of a mailbox that are in one bucket share a partition:
// (mailbox_id, bucket) is the partition key of the memberships, and of an
// [Index]. A bucket is a window of the IDs' own time. Which one, is a function
// of the ID alone: the time in it, and two bits that say how wide the window
// is.

// width is how wide a bucket is.
type width byte

const (
	aMonth width = iota // 30 days, as almost all buckets are
	aDay
	anHour

	widths    = 3
	widthBits = 3 // the two lowest bits of octet 9 of an ID; 3 itself is not minted, and is an hour
)

// duration returns the length of the window.
func (w width) duration() time.Duration {
	return [...]time.Duration{30 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Hour}[w]
}

// at returns the number of the bucket of this width that a time, in
// microseconds, is in.
func (w width) at(microseconds int64) int64 {
	return floorDiv(microseconds, w.duration().Microseconds())*(widthBits+1) + int64(w)
}

// floorDiv rounds down, also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Bucket returns the number of the bucket that the ID is in: the number of the
// window, counted from 1970, times 4, plus the width: 0 for a window of 30
// days, 1 for one of a day, 2 for one of an hour.
func (id MessageID) Bucket() int64 { return width(id[9] & widthBits).at(id.Timestamp()) }

// widthOf returns the width of a bucket.
func widthOf(bucket int64) width { return width(bucket & widthBits) }

// BucketSlice returns a whole bucket as a slice.
func BucketSlice(bucket int64) Slice {
	long := widthOf(bucket).duration().Microseconds()
	window := floorDiv(bucket, widthBits+1)
	return Slice{Bucket: bucket, From: window * long, To: (window+1)*long - 1}
}

// ByBucket groups IDs by their bucket, into groups of no more than most IDs, so
// that an [Index] can write a group with one [cql.Batch]. The buckets, and the
// IDs in each of them, come in the order in which ids has them first.
func ByBucket(ids []MessageID, most int) iter.Seq2[int64, []MessageID] {
	return func(yield func(int64, []MessageID) bool) {
		groups := make(map[int64][]MessageID)
		var order []int64
		for _, id := range ids {
			bucket := id.Bucket()
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
