package indextest

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

func listingBugs() []bug {
	type list = []cassandra.Listed
	// each plants a bug in what is read of each slice.
	each := func(p *planted, change func(slice cassandra.Slice) cassandra.Slice) {
		p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
			for _, slice := range list {
				found = append(found, p.in(mailbox, change(slice))...)
			}
			return found
		}
	}
	// whole plants a bug in what is listed in all.
	whole := func(p *planted, change func(all list) list) {
		p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
			for _, slice := range list {
				found = append(found, p.in(mailbox, slice)...)
			}
			return change(found)
		}
	}
	return []bug{
		{"EmptyMailbox", "a welcome message", ruleNothing, func(p *planted) {
			whole(p, func(all list) list { return append(all, cassandra.Listed{Entry: cassandra.Entry{Size: 1}}) })
		}},
		{"EmptyMailbox", "no slices are all slices", ruleNothing, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) []cassandra.Listed {
				if len(list) == 0 {
					return p.of(mailbox)
				}
				return nil
			}
		}},
		{"EmptyMailbox", "tombstones are listed", ruleNothing, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				for _, id := range ids {
					if err := p.restore(ctx, mailbox, cassandra.Entry{ID: id}); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{"EntriesAreKept", "List at EACH_QUORUM forgets the unique-ids", ruleAdded, func(p *planted) {
			p.onLevel = func(level cql.Level, all list) list {
				for i := range all {
					if level == cql.EachQuorum {
						all[i].UIDL = ""
					}
				}
				return all
			}
		}},
		{"MailboxesAreApart", "all mailboxes are listed", ruleMailbox, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
				for other := range p.rows {
					for _, slice := range list {
						found = append(found, p.in(other, slice)...)
					}
				}
				return found
			}
		}},
		{"ListingIsWholeAndInOrder", "newest first", ruleOrder, func(p *planted) {
			whole(p, func(all list) list { slices.Reverse(all); return all })
		}},
		{"ListingIsWholeAndInOrder", "sorted as octets", ruleOrder, func(p *planted) {
			whole(p, func(all list) list {
				slices.SortFunc(all, func(a, b cassandra.Listed) int { return bytes.Compare(a.ID[:], b.ID[:]) })
				return all
			})
		}},
		{"ListingIsWholeAndInOrder", "the latest slice first", ruleOrder, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
				for _, slice := range slices.Backward(list) {
					found = append(found, p.in(mailbox, slice)...)
				}
				return found
			}
		}},
		{"ListingIsWholeAndInOrder", "one page", ruleOrder, func(p *planted) {
			whole(p, func(all list) list { return all[:min(len(all), 2000)] })
		}},
		{"ListingIsWholeAndInOrder", "the first of a page comes twice", ruleOrder, func(p *planted) {
			whole(p, func(all list) list {
				if len(all) > 2000 {
					all = slices.Insert(all, 2000, all[2000])
				}
				return all
			})
		}},
		{"ListingIsWholeAndInOrder", "one message a microsecond", ruleOrder, func(p *planted) {
			whole(p, func(all list) list {
				return slices.CompactFunc(all, func(a, b cassandra.Listed) bool { return a.ID.Timestamp() == b.ID.Timestamp() })
			})
		}},
		{"ListingIsWholeAndInOrder", "the last message of all is forgotten", ruleOrder, func(p *planted) {
			whole(p, func(all list) list { return all[:max(0, len(all)-1)] })
		}},
		{"ListingIsWholeAndInOrder", "the parts of a bucket are one slice", ruleOrder, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
				for i, slice := range list {
					if i+1 == len(list) || slice.To+1 != list[i+1].From {
						found = append(found, p.in(mailbox, slice)...)
					}
				}
				return found
			}
		}},
		{"ListingIsWholeAndInOrder", "eight buckets", ruleOrder, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
				for _, slice := range list[:min(len(list), 8)] {
					found = append(found, p.in(mailbox, slice)...)
				}
				return found
			}
		}},
		{"SlicesAreExact", "whole buckets", ruleSlice, func(p *planted) {
			each(p, func(slice cassandra.Slice) cassandra.Slice {
				return cassandra.Slice{Bucket: slice.Bucket, From: 0, To: 1 << 62}
			})
		}},
		{"SlicesAreExact", "without the first microsecond", ruleSlice, func(p *planted) {
			each(p, func(slice cassandra.Slice) cassandra.Slice { slice.From++; return slice })
		}},
		{"SlicesAreExact", "without the last microsecond", ruleSlice, func(p *planted) {
			each(p, func(slice cassandra.Slice) cassandra.Slice { slice.To--; return slice })
		}},
		{"SlicesAreExact", "with the microsecond after the last", ruleSlice, func(p *planted) {
			each(p, func(slice cassandra.Slice) cassandra.Slice { slice.To++; return slice })
		}},
		{"SlicesAreExact", "by milliseconds", ruleSlice, func(p *planted) {
			each(p, func(slice cassandra.Slice) cassandra.Slice {
				slice.From -= slice.From % 1000
				slice.To += 999 - slice.To%1000
				return slice
			})
		}},
		{"SlicesAreExact", "the last ID of a microsecond is left out", ruleSlice, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
				for _, slice := range list {
					found = append(found, slices.DeleteFunc(p.in(mailbox, slice), func(l cassandra.Listed) bool { return l.ID == highest(slice.To) })...)
				}
				return found
			}
		}},
		{"SlicesAreExact", "one slice a bucket", ruleSlice, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
				for _, slice := range slices.CompactFunc(slices.Clone(list), func(a, b cassandra.Slice) bool { return a.Bucket == b.Bucket }) {
					found = append(found, p.in(mailbox, slice)...)
				}
				return found
			}
		}},

		{"ListingsAreLazy", "read at once", ruleLazy, func(p *planted) {
			p.onYield = func(_ context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				return over(list(), nil)
			}
		}},
		{"ListingsMayBeLeftEarly", "goes on", ruleBreak, func(p *planted) {
			p.onYield = func(_ context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				return func(yield func(cassandra.Listed, error) bool) {
					for _, l := range list() {
						yield(l, nil)
					}
				}
			}
		}},
		{"ListingsMayBeLeftEarly", "a reader is left behind", ruleBreak, func(p *planted) {
			p.onYield = func(ctx context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				return func(yield func(cassandra.Listed, error) bool) {
					rows := readAhead(ctx, list)
					for l := range rows {
						if !yield(l, nil) {
							return
						}
					}
				}
			}
		}},
		{"ListingsMayBeLeftEarly", "a reader that was never asked", ruleBreak, func(p *planted) {
			p.onYield = func(ctx context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				rows := readAhead(ctx, list)
				return func(yield func(cassandra.Listed, error) bool) {
					for l := range rows {
						if !yield(l, nil) {
							return
						}
					}
				}
			}
		}},
		{"ListingsMayBeLeftEarly", "a cursor that stays where it was left", ruleBreak, func(p *planted) {
			var mu sync.Mutex
			seen := 0
			p.onYield = func(_ context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				return func(yield func(cassandra.Listed, error) bool) {
					mu.Lock()
					defer mu.Unlock()
					all := list()
					for ; seen < len(all); seen++ {
						if !yield(all[seen], nil) {
							return
						}
					}
					seen = 0
				}
			}
		}},
		{"EndedListings", "short, and no error", ruleContext, func(p *planted) {
			p.onYield = func(ctx context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				return func(yield func(cassandra.Listed, error) bool) {
					for _, l := range list() {
						if ctx.Err() != nil || !yield(l, nil) {
							return
						}
					}
				}
			}
		}},
		{"EndedListings", "an error of its own", ruleContext, func(p *planted) {
			p.onYield = func(ctx context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				if ctx.Err() != nil {
					return over(nil, errBroken)
				}
				return over(list(), nil)
			}
		}},
		{"EndedListings", "goes on after an error", ruleEnds, func(p *planted) {
			p.onYield = func(ctx context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				return func(yield func(cassandra.Listed, error) bool) {
					for _, l := range list() {
						if !yield(l, ctx.Err()) {
							return
						}
					}
				}
			}
		}},
		{"EndedListings", "starts in the middle", ruleContext, func(p *planted) {
			p.onYield = func(ctx context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				if ctx.Err() != nil {
					return over(list()[1:], ctx.Err())
				}
				return over(list(), nil)
			}
		}},
		{"ListingIsWholeAndInOrder", "fails after a page", ruleWhole, func(p *planted) {
			p.onYield = func(_ context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
				if all := list(); len(all) > 2000 {
					return over(all[:2000], errBroken)
				}
				return over(list(), nil)
			}
		}},
	}
}

// over yields a list, and then an error if there is one.
func over(list []cassandra.Listed, err error) iter.Seq2[cassandra.Listed, error] {
	return func(yield func(cassandra.Listed, error) bool) {
		for _, l := range list {
			if !yield(l, nil) {
				return
			}
		}
		if err != nil {
			yield(cassandra.Listed{}, err)
		}
	}
}

// readAhead reads on, whether anyone takes it or not, until the context ends.
func readAhead(ctx context.Context, list func() []cassandra.Listed) <-chan cassandra.Listed {
	rows := make(chan cassandra.Listed)
	go func() {
		defer close(rows)
		for _, l := range list() {
			select {
			case rows <- l:
			case <-ctx.Done():
				return
			case <-time.After(time.Hour):
			}
		}
	}()
	return rows
}
