package indextest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/cassandra"
)

// bucketsAtOnce is more buckets than an index reads side by side, most likely,
// and pages is more entries than two of its pages have.
const (
	bucketsAtOnce = 40
	pages         = 4500
)

// large is a mailbox of many buckets, with others between them that are empty,
// and of many pages in one of them, the last. It is filled out of order, once
// for all checks, which do not change it.
func (s *suite) large(ctx context.Context) *box {
	if s.largeBox != nil {
		return s.largeBox
	}
	n := pages
	if testing.Short() {
		n /= 2
	}
	b := s.newBox()
	last := s.lastMonth()
	var entries []cassandra.Entry
	for i := range int64(bucketsAtOnce) {
		entries = append(entries, entry(last.From-i*2*month-month/2), entry(last.From-i*2*month-month/3))
	}
	for i := range int64(n) {
		at := last.From + i*(month/int64(n))
		entries = append(entries, entry(at))
		if i%100 == 0 { // of several processes
			entries = append(entries, entry(at), entry(at), entry(at))
		}
	}
	slices.Reverse(entries)
	b.fill(ctx, entries)
	s.largeBox = b
	return b
}

// deep is the bucket of a large mailbox that has many pages.
func (b *box) deep() int64 { return b.all()[len(b.all())-2].Bucket }

func emptyMailbox(ctx context.Context, s *suite) {
	b := s.newBox()
	b.expect(ctx, ruleNothing, "of a mailbox of which nothing was ever said")
	b.expectSlices(ctx, ruleNothing, "of no slices", nil)
	b.remove(ctx)
	b.expect(ctx, ruleNothing, "of a mailbox from which nothing was removed")
	at := s.microseconds(time.Hour)
	b.remove(ctx, newID(at), newID(at), newID(at-month))
	b.expect(ctx, ruleNothing, "of a mailbox to which none of the messages that were removed had been added")
	s.large(ctx).expectSlices(ctx, ruleNothing, "of no slices of a mailbox with messages", nil)
}

func entriesAreKept(ctx context.Context, s *suite) {
	b := s.newBox()
	at := s.microseconds(time.Hour)
	for i, e := range []cassandra.Entry{
		{Size: 0}, {Size: 1}, {Size: 123_456}, {Size: 1 << 31}, {Size: 1 << 62},
		{Size: 2, UIDL: "!"}, {Size: 3, UIDL: "one that comes"}, {Size: 4, UIDL: "twice"}, {Size: 5, UIDL: "twice"},
		{Size: 6, UIDL: `'";--%s\`}, {Size: 7, UIDL: strings.Repeat("~", 70)},
	} {
		e.ID = newID(at + int64(i))
		b.add(ctx, e)
		b.expect(ctx, ruleAdded, "after Added")
		e.ID = newID(at - int64(i))
		b.fill(ctx, []cassandra.Entry{e})
		b.expect(ctx, ruleAdded, "after Restore")
		b.add(ctx, e)
		b.fill(ctx, []cassandra.Entry{e})
	}
	b.expect(ctx, ruleAdded, "after some messages were added twice")
}

func mailboxesAreApart(ctx context.Context, s *suite) {
	alice, bob, eve := s.newBox(), s.newBox(), s.newBox()
	var ids []cassandra.MessageID // alice's
	for i := range int64(10) {
		at := s.microseconds(time.Hour) + i
		for _, b := range []*box{alice, bob} {
			e := entry(at)
			b.add(ctx, e)
			if b == alice {
				ids = append(ids, e.ID)
			}
		}
	}
	expect := func(when string) {
		alice.expect(ctx, ruleMailbox, when)
		bob.expect(ctx, ruleMailbox, when)
		eve.expect(ctx, ruleMailbox, when)
	}
	expect("after messages of two mailboxes were added at the same moments")
	eve.remove(ctx, ids...)
	bob.remove(ctx, ids[:5]...)
	expect("after messages were removed from mailboxes that do not have them")
	alice.remove(ctx, ids[2:7]...)
	expect("after messages of one mailbox were removed")
}

func listingIsWholeAndInOrder(ctx context.Context, s *suite) {
	b := s.large(ctx)
	b.expect(ctx, ruleOrder, "of many buckets and pages")
	b.expect(ctx, ruleOrder, "of many buckets and pages, for the second time,")
	whole := cassandra.BucketSlice(b.deep())
	b.expectSlices(ctx, ruleOrder, "of many pages", []cassandra.Slice{whole})
	b.expectSlices(ctx, ruleOrder, "of the first half of many pages", []cassandra.Slice{{Bucket: whole.Bucket, From: whole.From, To: whole.From + month/2}})

	var thirds, parts []cassandra.Slice
	for _, slice := range b.all() {
		thirds = append(thirds,
			cassandra.Slice{Bucket: slice.Bucket, From: slice.From, To: slice.From + month/3},
			cassandra.Slice{Bucket: slice.Bucket, From: slice.From + month/3*2, To: slice.To})
		eighths, _ := slice.Parts()
		parts = append(parts, eighths...)
	}
	b.expectSlices(ctx, ruleOrder, "of two slices of each bucket, with a hole between them,", thirds)
	b.expectSlices(ctx, ruleOrder, "of the parts of each bucket", parts)
}

func slicesAreExact(ctx context.Context, s *suite) {
	b := s.newBox()
	whole := s.lastMonth()
	from, to := whole.From+month/3, whole.From+month/2
	var entries []cassandra.Entry
	for _, at := range []int64{whole.From - 1, whole.From, from - 1, from, from + 1, to - 1, to, to + 1, whole.To, whole.To + 1} {
		for _, id := range []cassandra.MessageID{lowest(at), newID(at), highest(at)} {
			entries = append(entries, cassandra.Entry{ID: id, Size: at % 1000})
		}
	}
	b.fill(ctx, entries)
	slice := func(from, to int64) cassandra.Slice {
		return cassandra.Slice{Bucket: whole.Bucket, From: from, To: to}
	}
	for _, list := range [][]cassandra.Slice{
		{slice(from, to)}, {slice(from+1, to-1)}, {slice(from-1, to+1)}, {slice(from, from)}, {slice(to, to)},
		{slice(whole.From, from)}, {slice(to, whole.To)}, {slice(whole.From, whole.From)}, {slice(whole.To, whole.To)},
		{slice(from+2, to-2)},
		{slice(whole.From, from), slice(from+1, to-1), slice(to, whole.To)},
		{cassandra.BucketSlice(whole.Bucket - nextBucket), slice(from, from), slice(to, to), cassandra.BucketSlice(whole.Bucket + nextBucket)},
		b.all(),
	} {
		b.expectSlices(ctx, ruleSlice, "of slices with messages at and beside their ends", list)
	}
}
