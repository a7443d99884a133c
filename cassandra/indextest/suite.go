package indextest

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/parallel"
)

// session is what the kit needs of a [cassandra.Session].
type session interface {
	Bucket(cassandra.MessageID) int64
	Now() time.Time
	TooOld(cassandra.MessageID) bool
}

// suite is the kit at work on one index.
type suite struct {
	session
	cassandra.Index
	width    int64         // of a bucket, in microseconds
	patience time.Duration // with goroutines that a listing has started, once it was left

	largeBox *box   // see [suite.large]
	spread   []*box // see [suite.several]
}

func newSuite(session session, index cassandra.Index) *suite {
	return &suite{session: session, Index: index, width: widthOf(session), patience: 10 * time.Second}
}

// widthOf finds the width of a bucket: bucket 1 begins where bucket 0, that of
// 1970, ends.
func widthOf(s session) int64 {
	low, high := int64(0), int64(math.MaxInt64/100) // microseconds: in the year 4892
	for low < high {
		middle := low + (high-low)/2
		if s.Bucket(newID(middle)) < 1 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// newID makes an ID of a moment, in microseconds since 1970, in its first or its
// last 100 ns, as one of many processes makes it.
func newID(at int64) cassandra.MessageID {
	id, last := cassandra.Slice{From: at, To: at}.Borders()
	var random [9]byte
	rand.Read(random[:])
	if random[0]%2 == 0 {
		id = last
	}
	copy(id[8:], random[1:])
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562 section 4.1
	return id
}

// lowest and highest make the first and the last ID of a moment that a process may
// make, in the order of Cassandra.
func lowest(at int64) cassandra.MessageID {
	first, _ := cassandra.Slice{From: at, To: at}.Borders()
	return first
}

func highest(at int64) cassandra.MessageID {
	_, last := cassandra.Slice{From: at, To: at}.Borders()
	last[8] = 0xbf
	return last
}

// microseconds is a time on the session's clock: so long before it, or after it if
// ago is negative.
func (s *suite) microseconds(ago time.Duration) int64 { return s.Now().Add(-ago).UnixMicro() }

// bucketOf is the slice that is the whole bucket.
func (s *suite) bucketOf(bucket int64) cassandra.Slice {
	return cassandra.Slice{Bucket: bucket, From: bucket * s.width, To: (bucket+1)*s.width - 1}
}

// box is a mailbox that no other check uses, and what its listing must be. Its
// methods end the check if a call fails.
type box struct {
	*suite
	id      cassandra.MailboxID
	entries map[cassandra.MessageID]cassandra.Entry // that are to be listed
	touched map[int64]bool                          // the buckets of all IDs of calls
}

func (s *suite) newBox() *box {
	b := &box{suite: s, entries: make(map[cassandra.MessageID]cassandra.Entry), touched: make(map[int64]bool)}
	rand.Read(b.id[:])
	return b
}

// entry makes an entry of a moment.
func entry(at int64) cassandra.Entry { return cassandra.Entry{ID: newID(at), Size: at % 100_000} }

func (b *box) note(e cassandra.Entry) {
	b.entries[e.ID] = e
	b.touched[b.Bucket(e.ID)] = true
}

// add has the index list an entry.
func (b *box) add(ctx context.Context, e cassandra.Entry) {
	b.note(e)
	if err := b.Added(ctx, b.id, e); err != nil {
		breaks(ruleAdded, "Added of a message of the last days failed: %v", err)
	}
}

// fill has the index list many entries, of any age, side by side.
func (b *box) fill(ctx context.Context, entries []cassandra.Entry) {
	for _, e := range entries {
		b.note(e)
	}
	err := parallel.Each(32, len(entries), func(i int) error { return b.Restore(ctx, b.id, entries[i]) })
	if err != nil {
		breaks(ruleAdded, "Restore of %d messages failed: %v", len(entries), err)
	}
}

// remove has the index remove messages.
func (b *box) remove(ctx context.Context, ids ...cassandra.MessageID) {
	for _, id := range ids {
		b.touched[b.Bucket(id)] = true
		delete(b.entries, id)
	}
	if err := b.Removed(ctx, b.id, ids); err != nil {
		breaks(ruleRemoved, "Removed of %d messages failed: %v", len(ids), err)
	}
}

// all are the slices of all buckets of the mailbox, and of an empty one after them.
func (b *box) all() (list []cassandra.Slice) {
	buckets := slices.Sorted(maps.Keys(b.touched))
	if len(buckets) == 0 {
		buckets = []int64{b.Bucket(newID(b.microseconds(0)))}
	}
	for _, bucket := range append(buckets, buckets[len(buckets)-1]+1) {
		list = append(list, b.bucketOf(bucket))
	}
	return list
}

// want is what must be listed of some slices, in their order.
func (b *box) want(list []cassandra.Slice) (want []cassandra.Listed) {
	all := slices.SortedFunc(maps.Values(b.entries), func(x, y cassandra.Entry) int { return x.ID.Compare(y.ID) })
	for _, slice := range list {
		first, last := slice.Borders()
		from, _ := slices.BinarySearchFunc(all, first, func(e cassandra.Entry, id cassandra.MessageID) int { return e.ID.Compare(id) })
		for _, e := range all[from:] {
			if e.ID.Compare(last) > 0 {
				break
			}
			want = append(want, cassandra.Listed{Mailbox: b.id, Bucket: slice.Bucket, Entry: e})
		}
	}
	return want
}

// listing is one way to read an index, and what it must list.
type listing struct {
	name  string
	begin func(context.Context) iter.Seq2[cassandra.Listed, error]
	want  []cassandra.Listed
}

// lists are the two ways to list slices of the mailbox.
func (b *box) lists(list []cassandra.Slice) []listing {
	want := b.want(list)
	located := func(seq iter.Seq2[cassandra.Entry, error]) iter.Seq2[cassandra.Listed, error] {
		return func(yield func(cassandra.Listed, error) bool) {
			seq(func(e cassandra.Entry, err error) bool {
				return yield(cassandra.Listed{Mailbox: b.id, Bucket: b.Bucket(e.ID), Entry: e}, err)
			})
		}
	}
	return []listing{
		{"List", func(ctx context.Context) iter.Seq2[cassandra.Listed, error] {
			return located(b.List(ctx, b.id, list))
		}, want},
		{"ListEverywhere", func(ctx context.Context) iter.Seq2[cassandra.Listed, error] {
			return located(b.ListEverywhere(ctx, b.id, list))
		}, want},
	}
}

// scan is the way to scan one bucket of the mailbox.
func (b *box) scan(bucket int64) listing {
	token := cassandra.Token(b.id, bucket)
	return listing{"Scan", func(ctx context.Context) iter.Seq2[cassandra.Listed, error] {
		return b.Scan(ctx, token-1, token)
	}, b.want([]cassandra.Slice{b.bucketOf(bucket)})}
}

// expect compares all that is listed of the mailbox with what must be.
func (b *box) expect(ctx context.Context, r rule, when string) {
	b.expectSlices(ctx, r, when, b.all())
}

func (b *box) expectSlices(ctx context.Context, r rule, when string, list []cassandra.Slice) {
	for _, l := range b.lists(list) {
		l.expect(ctx, r, when)
	}
}

func (l listing) expect(ctx context.Context, r rule, when string) {
	if wrong := difference(collect(l.begin(ctx), l.name+" "+when), l.want); wrong != "" {
		breaks(r, "%s %s", l.name+" "+when, wrong)
	}
}

// collect ranges over a listing to its end.
func collect(seq iter.Seq2[cassandra.Listed, error], name string) []cassandra.Listed {
	list, err := read(seq)
	if err != nil {
		breaks(ruleWhole, "%s failed: %v", name, err)
	}
	return list
}

// read ranges over a listing to its end, or to the first error.
func read(seq iter.Seq2[cassandra.Listed, error]) (list []cassandra.Listed, failed error) {
	for l, err := range seq {
		switch {
		case failed != nil:
			breaks(ruleEnds, "a listing goes on after the error %v", failed)
		case err != nil:
			failed = err
		default:
			list = append(list, l)
		}
	}
	return list, failed
}

// difference says in what a listing is not the one that it must be: "" if it is.
func difference(got, want []cassandra.Listed) string {
	for i := range min(len(got), len(want)) {
		switch g, w := got[i], want[i]; {
		case g == w:
		case g.ID != w.ID:
			return fmt.Sprintf("has message %s at place %d, where %s belongs; it has %d messages, and %d belong there", g.ID, i+1, w.ID, len(got), len(want))
		case g.Entry != w.Entry:
			return fmt.Sprintf("has message %s with %d octets and the unique-id %q, not with %d and %q", g.ID, g.Size, g.UIDL, w.Size, w.UIDL)
		default:
			return fmt.Sprintf("has message %s in bucket %d of mailbox %s, not in bucket %d of mailbox %s", g.ID, g.Bucket, g.Mailbox, w.Bucket, w.Mailbox)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("has %d messages, not %d", len(got), len(want))
	}
	return ""
}
