package indextest

import (
	"context"
	"time"

	"github.com/popcask/popcask/cassandra"
)

// narrow is the same mailbox, with what it has in buckets of another width. The
// buckets of two widths overlap.
func (b *box) narrow() *box {
	other := b.newBox()
	other.id = b.id
	return other
}

// bucketsOfAllWidths has messages of the same moments in buckets of a month, a
// day and an hour of one mailbox.
func bucketsOfAllWidths(ctx context.Context, s *suite) {
	b := s.newBox()
	boxes := []*box{aMonth: b, aDay: b.narrow(), anHour: b.narrow()}
	now := newID(s.microseconds(time.Hour))
	for width, b := range boxes {
		e := cassandra.Entry{ID: withWidth(now, byte(width)), Size: int64(width)}
		b.add(ctx, e)
	}
	expect := func(r rule, when string) {
		for _, b := range boxes {
			b.expect(ctx, r, when)
			for bucket := range b.touched {
				b.expectSlices(ctx, r, when, []cassandra.Slice{cassandra.BucketSlice(bucket)})
				b.scan(bucket).expect(ctx, r, when)
			}
		}
	}
	expect(ruleBucket, "after Added of a message in a bucket of each width")

	var moments []int64 // at and beside the ends of the buckets
	for width := range boxes {
		whole := cassandra.BucketSlice(withWidth(now, byte(width)).Bucket())
		moments = append(moments, whole.From-1, whole.From, whole.To, whole.To+1)
	}
	var removed []cassandra.Entry
	for width, b := range boxes {
		var entries []cassandra.Entry
		for i, at := range moments {
			e := entry(at)
			e.ID = withWidth(e.ID, byte(width))
			entries = append(entries, e)
			if i%2 == 0 {
				removed = append(removed, e)
			}
		}
		b.fill(ctx, entries)
	}
	expect(ruleBucket, "after messages were added at the ends of buckets of each width")

	var ids []cassandra.MessageID // of buckets of all widths
	for _, e := range removed {
		ids = append(ids, e.ID)
		for _, b := range boxes {
			delete(b.entries, e.ID)
		}
	}
	if err := s.Removed(ctx, b.id, ids); err != nil {
		breaks(ruleRemoved, "Removed of %d messages failed: %v", len(ids), err)
	}
	expect(ruleRemoved, "after messages were removed from buckets of each width")
	for _, e := range removed {
		if err := s.Restore(ctx, b.id, e); err != nil {
			breaks(ruleForever, "Restore of a message that was removed failed: %v", err)
		}
	}
	expect(ruleForever, "after Restore of messages that were removed from buckets of each width")
}
