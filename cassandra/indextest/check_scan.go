package indextest

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/popcask/popcask/cassandra"
)

// several are mailboxes with messages in several buckets, of a month, a day and
// an hour in turn, out of order, and some removed again; with the large one.
func (s *suite) several(ctx context.Context) []*box {
	if s.spread != nil {
		return s.spread
	}
	boxes := []*box{s.large(ctx)}
	now := s.microseconds(0)
	for n := range 21 {
		b := s.newBox()
		var entries []cassandra.Entry
		for i := range int64(30) {
			e := entry(now - (i*7%30)*month/7)
			e.ID = withWidth(e.ID, byte(n%3))
			if i%3 == 0 {
				e.UIDL = "foreign"
			}
			entries = append(entries, e)
		}
		b.fill(ctx, entries)
		b.remove(ctx, entries[3].ID, entries[20].ID)
		boxes = append(boxes, b)
	}
	s.spread = boxes
	return boxes
}

func token(l cassandra.Listed) int64 { return cassandra.Token(l.Mailbox, l.Bucket) }

// ring is what a scan must list of some mailboxes.
func ring(boxes []*box) (want []cassandra.Listed) {
	for _, b := range boxes {
		want = append(want, b.want(b.all())...)
	}
	slices.SortFunc(want, func(a, b cassandra.Listed) int {
		return cmp.Or(cmp.Compare(token(a), token(b)), a.ID.Compare(b.ID))
	})
	return want
}

// of leaves out what other checks have added.
func of(boxes []*box, list []cassandra.Listed) []cassandra.Listed {
	known := make(map[cassandra.MailboxID]bool)
	for _, b := range boxes {
		known[b.id] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(l cassandra.Listed) bool { return !known[l.Mailbox] })
}

// scanned scans a stretch to its end.
func (s *suite) scanned(ctx context.Context, after, until int64) []cassandra.Listed {
	return collect(s.Scan(ctx, after, until), "Scan")
}

func scanIsInTheOrderOfTheTokens(ctx context.Context, s *suite) {
	boxes := s.several(ctx)
	list := s.scanned(ctx, math.MinInt64, math.MaxInt64)
	for i, l := range list {
		switch {
		case l.Bucket != l.ID.Bucket():
			breaks(ruleTokens, "Scan has message %s in bucket %d, which is of bucket %d", l.ID, l.Bucket, l.ID.Bucket())
		case i == 0:
		case token(l) < token(list[i-1]):
			breaks(ruleTokens, "Scan has a bucket with the token %d after one with the token %d", token(l), token(list[i-1]))
		case token(l) == token(list[i-1]) && l.ID.Compare(list[i-1].ID) <= 0:
			breaks(ruleTokens, "Scan has message %s after %s, of the same bucket", l.ID, list[i-1].ID)
		}
	}
	if wrong := difference(of(boxes, list), ring(boxes)); wrong != "" {
		breaks(ruleWhole, "Scan of everything, of mailboxes that are known, %s", wrong)
	}
}

func scanOfStretches(ctx context.Context, s *suite) {
	boxes := s.several(ctx)
	all := ring(boxes)
	stretch := func(after, until int64) {
		want := slices.Clone(all)
		want = slices.DeleteFunc(want, func(l cassandra.Listed) bool { return token(l) <= after || token(l) > until })
		if wrong := difference(of(boxes, s.scanned(ctx, after, until)), want); wrong != "" {
			breaks(ruleStretch, "Scan of the tokens above %d up to %d %s", after, until, wrong)
		}
	}
	for _, l := range []cassandra.Listed{all[0], all[len(all)/3], all[len(all)/2], all[len(all)-1]} {
		at := token(l)
		stretch(math.MinInt64, at)
		stretch(at, math.MaxInt64)
		stretch(at-1, at)
		stretch(at, at)
		stretch(at, at+1)
		stretch(at-1, at+1)
	}
	stretch(token(all[0]), token(all[len(all)-1]))
	const parts = 16
	for part := range int64(parts) {
		after := math.MinInt64 + part*(math.MaxUint64/parts)
		stretch(after, after+math.MaxUint64/parts)
	}
}

func scanAgreesWithTheListings(ctx context.Context, s *suite) {
	type partition struct {
		mailbox cassandra.MailboxID
		bucket  int64
	}
	scanned := make(map[partition][]cassandra.Listed)
	for _, b := range s.several(ctx) {
		for bucket := range b.touched {
			scanned[partition{b.id, bucket}] = nil // Scan may leave it out
		}
	}
	for _, l := range s.scanned(ctx, math.MinInt64, math.MaxInt64) {
		at := partition{l.Mailbox, l.Bucket}
		scanned[at] = append(scanned[at], l)
	}
	for at, found := range scanned {
		b := &box{suite: s, id: at.mailbox}
		for _, l := range b.lists([]cassandra.Slice{cassandra.BucketSlice(at.bucket)}) {
			if wrong := difference(collect(l.begin(ctx), l.name), found); wrong != "" {
				breaks(ruleAgree, "%s of a bucket of which Scan lists %d messages %s", l.name, len(found), wrong)
			}
		}
	}
}
