package mailboxtest

import (
	"cmp"
	"context"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/popcask/popcask/mailbox"
)

func listingBugs() []bug {
	return []bug{
		{"EmptyMailbox", "an empty mailbox is no user", ruleEmpty, func(p *planted) {
			p.onOpen = func(context.Context, mailbox.Login) (mailbox.Mailbox, error) { return nil, mailbox.ErrNoSuchUser }
		}},
		{"EmptyMailbox", "a welcome message out of nowhere", ruleEmpty, func(p *planted) {
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				return append(all, mailbox.Message{ID: "welcome"})
			}
		}},
		{"ListingIsWholeAndOldestFirst", "newest first", ruleOrder, func(p *planted) {
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				slices.Reverse(all)
				return all
			}
		}},
		{"ListingIsWholeAndOldestFirst", "IDs sorted as text", ruleOrder, func(p *planted) {
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				slices.SortFunc(all, func(a, b mailbox.Message) int { return cmp.Compare(a.ID, b.ID) })
				return all
			}
		}},
		{"ListingIsWholeAndOldestFirst", "the first page alone", ruleWhole, func(p *planted) {
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message { return all[:min(len(all), 20)] }
		}},
		{"ListingIsWholeAndOldestFirst", "another order the second time", ruleOrder, func(p *planted) {
			p.onList = func(box *plantedBox, all []mailbox.Message) []mailbox.Message {
				if box.ids != nil {
					all[0], all[1] = all[1], all[0]
				}
				box.ids = []string{}
				return all
			}
		}},
		{"ListingIsOrderedByDeliveryNotByDate", "sorted by date", ruleOrder, func(p *planted) {
			received := make(map[string]time.Time)
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				received[results[0].ID] = delivery.Received
				return results, err
			}
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				slices.SortFunc(all, func(a, b mailbox.Message) int { return received[a.ID].Compare(received[b.ID]) })
				return all
			}
		}},
		{"ListingMayBeLeftEarly", "a cursor that stays where it was left", ruleBreak, func(p *planted) {
			p.onMessages = func(ctx context.Context, box *plantedBox) iter.Seq2[mailbox.Message, error] {
				return func(yield func(mailbox.Message, error) bool) {
					for m, err := range box.Mailbox.Messages(ctx) {
						if slices.Contains(box.ids, m.ID) {
							continue
						}
						box.ids = append(box.ids, m.ID)
						if !yield(m, err) {
							return
						}
					}
				}
			}
		}},
	}
}
