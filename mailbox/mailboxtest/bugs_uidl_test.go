package mailboxtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/popcask/popcask/mailbox"
)

// show replaces the UIDL of every message.
func show(p *planted, uidl func(box *plantedBox, place int, m mailbox.Message) string) {
	p.onList = func(box *plantedBox, all []mailbox.Message) []mailbox.Message {
		for i, m := range all {
			all[i].UIDL = uidl(box, i, m)
		}
		return all
	}
}

func uidlBugs() []bug {
	return []bug{
		{"IDsAndUIDLs", "a digest of the octets", ruleUIDL, func(p *planted) {
			show(p, func(box *plantedBox, _ int, m mailbox.Message) string {
				sum := sha256.Sum256(box.octets(m.ID))
				return hex.EncodeToString(sum[:])
			})
		}},
		{"IDsAndUIDLs", "the place in the listing", ruleUIDL, func(p *planted) {
			show(p, func(_ *plantedBox, place int, _ mailbox.Message) string { return fmt.Sprint(place + 1) })
		}},
		{"IDsAndUIDLs", "new in every session", ruleUIDL, func(p *planted) {
			var n atomic.Int64
			show(p, func(*plantedBox, int, mailbox.Message) string { return fmt.Sprint(n.Add(1)) })
		}},
		{"IDsAndUIDLs", "with a space", ruleLegal, func(p *planted) {
			show(p, func(_ *plantedBox, _ int, m mailbox.Message) string { return "a message " + m.ID })
		}},
		{"IDsAndUIDLs", "no ID", ruleID, func(p *planted) {
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				for i := range all {
					all[i].UIDL, all[i].ID = all[i].ID, ""
				}
				return all
			}
		}},
		{"IDsAndUIDLsAreNeverReused", "the greatest UIDL plus one", ruleUIDL, func(p *planted) {
			given := make(map[string]int)
			show(p, func(box *plantedBox, place int, m mailbox.Message) string {
				if given[m.ID] == 0 {
					highest := 0
					for _, before := range box.all()[:place] {
						highest = max(highest, given[before.ID])
					}
					given[m.ID] = highest + 1
				}
				return fmt.Sprint(given[m.ID])
			})
		}},
		{"IDsAndUIDLsAreNeverReused", "IDs are places", ruleID, func(p *planted) {
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				for i := range all {
					all[i].UIDL, all[i].ID = all[i].ID, fmt.Sprint(i)
				}
				return all
			}
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				var real []string
				for i, m := range box.all() {
					if slices.Contains(ids, fmt.Sprint(i)) {
						real = append(real, m.ID)
					}
				}
				return box.Mailbox.Delete(ctx, real)
			}
		}},
		{"ForeignUIDL", "foreign UIDLs are ignored", ruleForeign, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				delivery.UIDL = ""
				return p.Store.Append(ctx, delivery, body)
			}
		}},
		{"ForeignUIDL", "illegal ones are dropped", ruleForeign, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				if !mailbox.ValidUIDL(delivery.UIDL) {
					delivery.UIDL = ""
				}
				return p.Store.Append(ctx, delivery, body)
			}
		}},
		{"ForeignUIDL", "the listing does not have it", ruleForeign, func(p *planted) {
			show(p, func(*plantedBox, int, mailbox.Message) string { return "" })
		}},
		{"ForeignUIDLTwice", "settled anew in each listing", ruleForeign, func(p *planted) {
			wanted := make(map[string]string)
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				wanted[results[0].ID] = delivery.UIDL
				return results, err
			}
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				shown := make(map[string]bool)
				for i, m := range all {
					all[i].UIDL = ""
					if uidl := wanted[m.ID]; uidl != "" && !shown[mailbox.SafeUIDL(uidl)] {
						all[i].UIDL = mailbox.SafeUIDL(uidl)
					}
					shown[mailbox.UIDL(all[i])] = true
				}
				return all
			}
		}},
		{"ForeignUIDLTwice", "the second has it too", ruleForeign, func(p *planted) {
			foreign := make(map[string]string)
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				if delivery.UIDL != "" {
					results[0].UIDL = mailbox.SafeUIDL(delivery.UIDL)
				}
				foreign[results[0].ID] = results[0].UIDL
				return results, err
			}
			show(p, func(_ *plantedBox, _ int, m mailbox.Message) string { return foreign[m.ID] })
		}},
		{"ForeignUIDLPerMailbox", "unique over the whole store", ruleForeign, func(p *planted) {
			seen := make(map[string]string)
			show(p, func(_ *plantedBox, _ int, m mailbox.Message) string {
				if m.UIDL == "" || seen[m.UIDL] != "" && seen[m.UIDL] != m.ID {
					return ""
				}
				seen[m.UIDL] = m.ID
				return m.UIDL
			})
		}},
	}
}
