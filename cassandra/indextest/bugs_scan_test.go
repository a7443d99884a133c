package indextest

import (
	"errors"
	"iter"
	"math"
	"slices"

	"github.com/popcask/popcask/cassandra"
)

var errBroken = errors.New("it is broken")

func scanBugs() []bug {
	// scans plants a bug in what a scan lists.
	scans := func(p *planted, change func(all []cassandra.Listed) []cassandra.Listed) {
		p.onScan = func(after, until int64) []cassandra.Listed { return change(p.stretch(after, until)) }
	}
	return []bug{
		{"ScanIsInTheOrderOfTheTokens", "by mailboxes", ruleTokens, func(p *planted) {
			scans(p, func(all []cassandra.Listed) []cassandra.Listed {
				slices.SortStableFunc(all, func(a, b cassandra.Listed) int {
					return slices.Compare(a.Mailbox[:], b.Mailbox[:])
				})
				return all
			})
		}},
		{"ScanIsInTheOrderOfTheTokens", "newest first in a bucket", ruleTokens, func(p *planted) {
			scans(p, func(all []cassandra.Listed) (found []cassandra.Listed) {
				for group := range buckets(all) {
					slices.Reverse(group)
					found = append(found, group...)
				}
				return found
			})
		}},
		{"ScanIsInTheOrderOfTheTokens", "a message twice", ruleTokens, func(p *planted) {
			scans(p, func(all []cassandra.Listed) []cassandra.Listed { return append(all, all[len(all)-1:]...) })
		}},
		{"ScanIsInTheOrderOfTheTokens", "buckets of another width", ruleTokens, func(p *planted) {
			scans(p, func(all []cassandra.Listed) []cassandra.Listed {
				for i := range all {
					all[i].Bucket *= 2
				}
				return all
			})
		}},
		{"ScanIsInTheOrderOfTheTokens", "one page", ruleWhole, func(p *planted) {
			scans(p, func(all []cassandra.Listed) []cassandra.Listed { return all[:2000] })
		}},
		{"ScanIsInTheOrderOfTheTokens", "without the unique-ids", ruleWhole, func(p *planted) {
			scans(p, func(all []cassandra.Listed) []cassandra.Listed {
				for i := range all {
					all[i].UIDL = ""
				}
				return all
			})
		}},
		{"ScanIsInTheOrderOfTheTokens", "with what was removed", ruleWhole, func(p *planted) {
			p.onScan = func(after, until int64) []cassandra.Listed {
				p.mu.Lock()
				for _, rows := range p.rows {
					for _, r := range rows {
						r.removed = false
					}
				}
				p.mu.Unlock()
				return p.stretch(after, until)
			}
		}},
		{"ScanOfStretches", "the whole ring", ruleStretch, func(p *planted) {
			p.onScan = func(_, _ int64) []cassandra.Listed { return p.stretch(math.MinInt64, math.MaxInt64) }
		}},
		{"ScanOfStretches", "from after on", ruleStretch, func(p *planted) {
			p.onScan = func(after, until int64) []cassandra.Listed {
				return p.stretch(max(after, math.MinInt64+1)-1, until)
			}
		}},
		{"ScanOfStretches", "without until", ruleStretch, func(p *planted) {
			p.onScan = func(after, until int64) []cassandra.Listed { return p.stretch(after, until-1) }
		}},
		{"ScanAgreesWithTheListings", "mailboxes that List does not know", ruleAgree, func(p *planted) {
			scans(p, func(all []cassandra.Listed) []cassandra.Listed {
				stray := all[0]
				stray.Mailbox[0]++
				return append(all, stray)
			})
		}},
		{"ScanAgreesWithTheListings", "fewer than are listed", ruleAgree, func(p *planted) {
			scans(p, func(all []cassandra.Listed) []cassandra.Listed { return all[1:] })
		}},
		{"ScanAgreesWithTheListings", "a bucket less than are listed", ruleAgree, func(p *planted) {
			scans(p, func(all []cassandra.Listed) []cassandra.Listed {
				for group := range buckets(all) {
					return all[len(group):]
				}
				return nil
			})
		}},
	}
}

// buckets cuts a scan where a bucket ends.
func buckets(list []cassandra.Listed) iter.Seq[[]cassandra.Listed] {
	return func(yield func([]cassandra.Listed) bool) {
		for begin, end := 0, 0; begin < len(list); begin = end {
			for end < len(list) && list[end].Mailbox == list[begin].Mailbox && list[end].Bucket == list[begin].Bucket {
				end++
			}
			if !yield(list[begin:end]) {
				return
			}
		}
	}
}
