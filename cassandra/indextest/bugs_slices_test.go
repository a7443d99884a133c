package indextest

import (
	"bytes"
	"context"
	"slices"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

// inMonth is the bucket of 30 days in which an ID is, whatever its width.
func inMonth(id cassandra.MessageID) int64 { return withWidth(id, aMonth).Bucket() }

func sliceBugs() []bug {
	type list = []cassandra.Listed
	// reads plants a bug in what is read of the slices that have IDs.
	reads := func(p *planted, read func(mailbox cassandra.MailboxID, slice cassandra.Slice) list) {
		p.onList = func(mailbox cassandra.MailboxID, slices []cassandra.Slice) (found list) {
			for _, slice := range slices {
				if slice.IDs == nil {
					found = append(found, p.in(mailbox, slice)...)
				} else {
					found = append(found, read(mailbox, slice)...)
				}
			}
			return found
		}
	}
	// keeps plants a bug in which slices are read at all. It is told of those
	// before.
	keeps := func(p *planted, keep func(slice cassandra.Slice, before []cassandra.Slice) bool) {
		p.onList = func(mailbox cassandra.MailboxID, slices []cassandra.Slice) (found list) {
			for i, slice := range slices {
				if keep(slice, slices[:i]) {
					found = append(found, p.in(mailbox, slice)...)
				}
			}
			return found
		}
	}
	return []bug{
		{"SlicesOfIDs", "the range, whatever the IDs are", ruleIDs, func(p *planted) {
			reads(p, func(mailbox cassandra.MailboxID, slice cassandra.Slice) list {
				slice.IDs = nil
				return p.in(mailbox, slice)
			})
		}},
		{"SlicesOfIDs", "slices that have IDs are not read", ruleIDs, func(p *planted) {
			reads(p, func(cassandra.MailboxID, cassandra.Slice) list { return nil })
		}},
		{"SlicesOfIDs", "the latest ID first", ruleIDs, func(p *planted) {
			reads(p, func(mailbox cassandra.MailboxID, slice cassandra.Slice) list {
				found := p.in(mailbox, slice)
				slices.Reverse(found)
				return found
			})
		}},
		{"SlicesOfIDs", "in the order of the octets", ruleIDs, func(p *planted) {
			reads(p, func(mailbox cassandra.MailboxID, slice cassandra.Slice) list {
				found := p.in(mailbox, slice)
				slices.SortFunc(found, func(a, b cassandra.Listed) int { return bytes.Compare(a.ID[:], b.ID[:]) })
				return found
			})
		}},
		{"SlicesOfIDs", "the IDs are believed", ruleIDs, func(p *planted) {
			reads(p, func(mailbox cassandra.MailboxID, slice cassandra.Slice) (found list) {
				known := p.of(mailbox)
				for _, id := range slice.IDs {
					l := cassandra.Listed{Entry: cassandra.Entry{ID: id}}
					if i := slices.IndexFunc(known, func(k cassandra.Listed) bool { return k.ID == id }); i >= 0 {
						l = known[i]
					}
					found = append(found, l)
				}
				return found
			})
		}},
		{"SlicesOfIDs", "by the key, with what was removed", ruleIDs, func(p *planted) {
			reads(p, func(mailbox cassandra.MailboxID, slice cassandra.Slice) (found list) {
				p.mu.Lock()
				defer p.mu.Unlock()
				for _, id := range slice.IDs {
					if r := p.rows[mailbox][id]; r != nil && r.added {
						found = append(found, r.Listed)
					}
				}
				return found
			})
		}},
		{"SlicesOfIDs", "by the ID alone, of any mailbox", ruleIDs, func(p *planted) {
			reads(p, func(_ cassandra.MailboxID, slice cassandra.Slice) (found list) {
				for mailbox := range p.rows {
					found = append(found, p.in(mailbox, slice)...)
				}
				slices.SortFunc(found, func(a, b cassandra.Listed) int { return a.ID.Compare(b.ID) })
				return found
			})
		}},
		{"SlicesOfIDs", "fewer than a hundred", ruleIDs, func(p *planted) {
			reads(p, func(mailbox cassandra.MailboxID, slice cassandra.Slice) list {
				slice.IDs = slice.IDs[:min(len(slice.IDs), mostIDs-1)]
				return p.in(mailbox, slice)
			})
		}},
		{"SlicesOfIDs", "one message a microsecond", ruleIDs, func(p *planted) {
			reads(p, func(mailbox cassandra.MailboxID, slice cassandra.Slice) list {
				return slices.CompactFunc(p.in(mailbox, slice), func(a, b cassandra.Listed) bool { return a.ID.Timestamp() == b.ID.Timestamp() })
			})
		}},
		{"SlicesOfIDs", "one slice with IDs a bucket", ruleIDs, func(p *planted) {
			keeps(p, func(slice cassandra.Slice, before []cassandra.Slice) bool {
				return slice.IDs == nil || !slices.ContainsFunc(before, func(b cassandra.Slice) bool { return b.IDs != nil && b.Bucket == slice.Bucket })
			})
		}},
		{"SlicesOfIDs", "a slice begins after the microsecond in which the one before it ends", ruleIDs, func(p *planted) {
			keeps(p, func(slice cassandra.Slice, before []cassandra.Slice) bool {
				return len(before) == 0 || slice.From > before[len(before)-1].To
			})
		}},
		{"SlicesOfIDs", "slices that have IDs come last", ruleIDs, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, all []cassandra.Slice) (found list) {
				for _, byID := range []bool{false, true} {
					for _, slice := range all {
						if byID == (slice.IDs != nil) {
							found = append(found, p.in(mailbox, slice)...)
						}
					}
				}
				return found
			}
		}},

		{"BucketsOfAllWidths", "30 days, whatever the width", ruleBucket, func(p *planted) { p.onBucket = inMonth }},
		{"BucketsOfAllWidths", "an hour is a day", ruleBucket, func(p *planted) {
			p.onBucket = func(id cassandra.MessageID) int64 {
				if id.Bucket()%nextBucket == anHour {
					id = withWidth(id, aDay)
				}
				return id.Bucket()
			}
		}},
		{"BucketsOfAllWidths", "all that is of the slice's time", ruleBucket, func(p *planted) {
			p.onList = func(mailbox cassandra.MailboxID, slices []cassandra.Slice) (found list) {
				for _, slice := range slices {
					for _, l := range p.of(mailbox) {
						if at := l.ID.Timestamp(); slice.From <= at && at <= slice.To {
							found = append(found, l)
						}
					}
				}
				return found
			}
		}},
		{"BucketsOfAllWidths", "a scan finds buckets of 30 days by their tokens, and no others", ruleBucket, func(p *planted) {
			p.onScan = func(after, until int64) list {
				return slices.DeleteFunc(p.stretch(after, until), func(l cassandra.Listed) bool { return l.Bucket != inMonth(l.ID) })
			}
		}},
		{"BucketsOfAllWidths", "removed from buckets of 30 days alone", ruleRemoved, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				return p.removed(ctx, mailbox, slices.DeleteFunc(slices.Clone(ids), func(id cassandra.MessageID) bool { return id.Bucket() != inMonth(id) }))
			}
		}},
		{"BucketsOfAllWidths", "what was removed comes back into a narrow bucket", ruleForever, func(p *planted) {
			p.onRestore = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				return p.change(ctx, mailbox, e.ID, func(r *row) {
					r.Entry, r.added = e, true
					r.removed = r.removed && e.ID.Bucket() == inMonth(e.ID)
				})
			}
		}},
		{"ScanIsInTheOrderOfTheTokens", "30 days, whatever the width", ruleTokens, func(p *planted) { p.onBucket = inMonth }},

		{"LevelsAgree", "nothing at ALL", ruleLevels, func(p *planted) {
			p.onLevel = func(level cql.Level, all list) list {
				if level == cql.All {
					return nil
				}
				return all
			}
		}},
		{"LevelsAgree", "one page at EACH_QUORUM", ruleLevels, func(p *planted) {
			p.onLevel = func(level cql.Level, all list) list {
				if level == cql.EachQuorum {
					return all[:min(len(all), 2000)]
				}
				return all
			}
		}},
		{"LevelsAgree", "other sizes for a session", ruleLevels, func(p *planted) {
			p.onLevel = func(level cql.Level, all list) list {
				for i := range all {
					if level == cql.LocalQuorum {
						all[i].Size++
					}
				}
				return all
			}
		}},
	}
}
