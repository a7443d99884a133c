package indextest

import (
	"context"
	"slices"

	"github.com/popcask/popcask/cassandra"
)

// mostIDs is how many IDs a slice has at most.
const mostIDs = 100

// byID are the slices that have these IDs, which are of one bucket.
func byID(ids ...cassandra.MessageID) (list []cassandra.Slice) {
	ids = slices.SortedFunc(slices.Values(ids), cassandra.MessageID.Compare)
	for some := range slices.Chunk(ids, mostIDs) {
		list = append(list, cassandra.Slice{Bucket: some[0].Bucket(), From: some[0].Timestamp(), To: some[len(some)-1].Timestamp(), IDs: some})
	}
	return list
}

// sealed are the slices of the mailbox as a store reads it if the last bucket
// has a seal: some IDs of that one up to a time, and all after it.
func (b *box) sealed() (list []cassandra.Slice) {
	for _, slice := range b.all() {
		if slice.Bucket != b.deep() {
			list = append(list, slice)
			continue
		}
		before, after := slice, slice
		before.To = slice.From + (slice.To-slice.From)/2
		after.From = before.To + 1
		var ids []cassandra.MessageID
		for i, l := range b.want([]cassandra.Slice{before}) {
			if i%3 != 0 {
				ids = append(ids, l.ID)
			}
		}
		list = append(append(list, byID(ids...)...), after)
	}
	return list
}

func slicesOfIDs(ctx context.Context, s *suite) {
	b, other := s.newBox(), s.newBox()
	whole := s.lastMonth()
	middle := whole.From + month/2
	ends := []cassandra.MessageID{lowest(whole.From), highest(whole.To)}
	entries := []cassandra.Entry{{ID: ends[0], Size: 1}, {ID: ends[1], Size: 2}, entry(whole.From - 1), entry(whole.To + 1)}
	var listed, removed, absent, foreign []cassandra.MessageID
	for i := range int64(200) { // four of each microsecond
		at := middle + i/4
		e := entry(at)
		entries = append(entries, e)
		if i%5 == 0 {
			removed = append(removed, e.ID)
		} else {
			listed = append(listed, e.ID)
		}
		if i%10 == 0 {
			e := entry(at)
			other.fill(ctx, []cassandra.Entry{e})
			absent, foreign = append(absent, newID(at)), append(foreign, e.ID)
		}
	}
	b.fill(ctx, entries)
	b.remove(ctx, removed...)
	slices.SortFunc(listed, cassandra.MessageID.Compare)
	var some, single []cassandra.MessageID
	for i, id := range listed {
		if i%3 == 0 {
			some = append(some, id)
		}
		if i < bucketsAtOnce {
			single = append(single, id)
		}
	}
	mixed := slices.Concat(some, removed, absent, foreign, ends)

	stretch := func(from, to int64) []cassandra.Slice {
		return []cassandra.Slice{{Bucket: whole.Bucket, From: from, To: to}}
	}
	someOf := func(from, to int64) []cassandra.Slice {
		return byID(slices.DeleteFunc(slices.Clone(some), func(id cassandra.MessageID) bool { return id.Timestamp() < from || id.Timestamp() > to })...)
	}
	var apart []cassandra.Slice // also where IDs are of one microsecond
	for _, id := range single {
		apart = append(apart, byID(id)...)
	}
	for _, c := range []struct {
		what string
		list []cassandra.Slice
	}{
		{"a slice with one ID", byID(listed[50])},
		{"a slice with some IDs", byID(some...)},
		{"a slice with as many IDs as it may have", byID(listed[:mostIDs]...)},
		{"a slice with the smallest and the largest ID of its bucket", byID(ends...)},
		{"a slice with IDs of messages that were removed", byID(removed...)},
		{"a slice with IDs of messages that were never added", byID(absent...)},
		{"a slice with IDs of another mailbox's messages", byID(foreign...)},
		{"slices with IDs of which some are listed", byID(mixed...)},
		{"many slices with an ID each", apart},
		{"slices of a bucket of which some have IDs", slices.Concat(
			stretch(whole.From, middle-1), someOf(middle, middle+9), stretch(middle+10, middle+19), someOf(middle+20, middle+49), stretch(middle+50, whole.To))},
		{"slices of several buckets of which some have IDs", slices.Concat(
			[]cassandra.Slice{cassandra.BucketSlice(whole.Bucket - nextBucket)}, byID(mixed...), []cassandra.Slice{cassandra.BucketSlice(whole.Bucket + nextBucket)})},
	} {
		b.expectSlices(ctx, ruleIDs, "of "+c.what, c.list)
	}
	b.remove(ctx, some[:10]...)
	b.expectSlices(ctx, ruleIDs, "of slices with IDs, after some of the messages were removed,", byID(mixed...))

	large := s.large(ctx)
	large.expectSlices(ctx, ruleIDs, "of many buckets and pages, and of slices with IDs,", large.sealed())
}
