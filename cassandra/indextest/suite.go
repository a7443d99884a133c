package indextest

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// session is what the kit needs of a [cassandra.Session].
type session interface {
	Now() time.Time
	TooOld(cassandra.MessageID) bool
}

// suite is the kit at work on one index.
type suite struct {
	session
	cassandra.Index
	patience time.Duration // with goroutines that a listing has started, once it was left

	largeBox *box   // see [suite.large]
	spread   []*box // see [suite.several]
}

func newSuite(session session, index cassandra.Index) *suite {
	return &suite{session: session, Index: index, patience: 10 * time.Second}
}

// The widths of buckets, as the two lowest bits of octet 9 of an ID, and of the
// number of a bucket, have them.
const (
	aMonth = iota // 30 days, as almost all buckets are
	aDay
	anHour
)

// month is the length of a bucket of 30 days, in microseconds.
const month = 30 * 24 * int64(time.Hour/time.Microsecond)

// nextBucket is how far the numbers of a bucket and the next one of its width
// are apart.
const nextBucket = 4

// newID makes an ID of a moment, in microseconds since 1970, in its first or
// its last 100 ns, as one of many processes makes it. Its bucket is one of 30
// days.
func newID(at int64) cassandra.MessageID {
	id, last := cassandra.Slice{From: at, To: at}.Borders()
	var random [9]byte
	rand.Read(random[:])
	if random[0]%2 == 0 {
		id = last
	}
	copy(id[8:], random[1:])
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562 section 4.1
	return withWidth(id, aMonth)
}

// withWidth is an ID of the same moment in a bucket of a width.
func withWidth(id cassandra.MessageID, width byte) cassandra.MessageID {
	id[9] = id[9]&^3 | width
	return id
}

// lowest and highest make the first and the last ID of a moment that a process
// may make for a bucket of 30 days, in the order of Cassandra.
func lowest(at int64) cassandra.MessageID {
	first, _ := cassandra.Slice{From: at, To: at}.Borders()
	return first
}

func highest(at int64) cassandra.MessageID {
	_, last := cassandra.Slice{From: at, To: at}.Borders()
	last[8] = 0xbf
	return withWidth(last, aMonth)
}

// microseconds is a time on the session's clock: so long before it, or after it
// if ago is negative.
func (s *suite) microseconds(ago time.Duration) int64 { return s.Now().Add(-ago).UnixMicro() }

// lastMonth is the bucket of 30 days before the present one.
func (s *suite) lastMonth() cassandra.Slice {
	return cassandra.BucketSlice(newID(s.microseconds(0)).Bucket() - nextBucket)
}

// box is a mailbox that no other check uses, and what its listing must be; of
// one that has buckets of several widths, it is what those of one width have.
// Its methods end the check if a call fails.
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
	b.touched[e.ID.Bucket()] = true
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
		b.touched[id.Bucket()] = true
		delete(b.entries, id)
	}
	if err := b.Removed(ctx, b.id, ids); err != nil {
		breaks(ruleRemoved, "Removed of %d messages failed: %v", len(ids), err)
	}
}

// all are the slices of all buckets of the mailbox, and of an empty one after
// them.
func (b *box) all() (list []cassandra.Slice) {
	buckets := slices.Sorted(maps.Keys(b.touched))
	if len(buckets) == 0 {
		buckets = []int64{newID(b.microseconds(0)).Bucket()}
	}
	for _, bucket := range append(buckets, buckets[len(buckets)-1]+nextBucket) {
		list = append(list, cassandra.BucketSlice(bucket))
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
			if slice.Bucket == e.ID.Bucket() && (slice.IDs == nil || slices.Contains(slice.IDs, e.ID)) {
				want = append(want, b.located(e))
			}
		}
	}
	return want
}

// located is an entry of the mailbox, as a scan has it.
func (b *box) located(e cassandra.Entry) cassandra.Listed {
	return cassandra.Listed{Mailbox: b.id, Bucket: e.ID.Bucket(), Entry: e}
}

// listing is one way to read an index, and what it must list.
type listing struct {
	name  string
	begin func(context.Context) iter.Seq2[cassandra.Listed, error]
	want  []cassandra.Listed
}

// lists are the ways to list slices of the mailbox, one for each level.
func (b *box) lists(list []cassandra.Slice) (ways []listing) {
	want := b.want(list)
	for _, level := range []cql.Level{cql.LocalQuorum, cql.EachQuorum, cql.All} {
		begin := func(ctx context.Context) iter.Seq2[cassandra.Listed, error] {
			seq := b.List(ctx, level, b.id, list)
			return func(yield func(cassandra.Listed, error) bool) {
				seq(func(e cassandra.Entry, err error) bool { return yield(b.located(e), err) })
			}
		}
		ways = append(ways, listing{fmt.Sprintf("List at %s", level), begin, want})
	}
	return ways
}

// scan is the way to scan one bucket of the mailbox.
func (b *box) scan(bucket int64) listing {
	token := cassandra.Token(b.id, bucket)
	return listing{"Scan", func(ctx context.Context) iter.Seq2[cassandra.Listed, error] {
		return b.Scan(ctx, token-1, token)
	}, b.want([]cassandra.Slice{cassandra.BucketSlice(bucket)})}
}

// ways are the ways to read all of a mailbox, or a large part of it.
func (b *box) ways() []listing {
	return slices.Concat(b.lists(b.all()), b.lists(b.sealed()), []listing{b.scan(b.deep())})
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
