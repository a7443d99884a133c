package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// measureSize is a Size without bugs.
func measureSize(ctx context.Context, box *plantedBox, id string) (int64, error) {
	body, err := box.Mailbox.Open(ctx, id, mailbox.OpenOptions{})
	if err != nil {
		return 0, err
	}
	return mailbox.Octets(body)
}

func optionalBugs() []bug {
	return slices.Concat(purposeBugs(), sizerBugs(), receiptBugs())
}

func purposeBugs() []bug {
	topIf := func(short func(options mailbox.OpenOptions) bool) func(p *planted) {
		return func(p *planted) {
			p.onRead = func(_ context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body := io.Reader(bytes.NewReader(box.octets(id)))
				if short(options) {
					body = mailbox.NewTopReader(body, options.Lines)
				}
				return io.NopCloser(body), nil
			}
		}
	}
	return []bug{
		{"MeasureAndRetrieve", "what is measured is the header", ruleEntire,
			topIf(func(options mailbox.OpenOptions) bool { return options.For == mailbox.Measure })},
		{"MeasureAndRetrieve", "what is not RETR is TOP", ruleEntire,
			topIf(func(options mailbox.OpenOptions) bool { return options.For != mailbox.Retrieve })},
		{"MeasureAndRetrieve", "a number of lines means TOP", ruleEntire,
			topIf(func(options mailbox.OpenOptions) bool { return options.Lines > 0 })},
		{"MeasureAndRetrieve", "what is measured cannot be had", ruleEntire, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				if options.For == mailbox.Measure {
					return nil, errors.ErrUnsupported
				}
				return box.Mailbox.Open(ctx, id, options)
			}
		}},
	}
}

func sizerBugs() []bug {
	return []bug{
		{"Sizer", "the octets before the line ends are made canonical", ruleSizer, func(p *planted) {
			p.onSize = func(_ context.Context, box *plantedBox, id string) (int64, error) {
				octets := box.octets(id)
				if octets == nil {
					return 0, mailbox.ErrNotFound
				}
				return int64(len(bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")))), nil
			}
		}},
		{"Sizer", "an unknown message has no octets", ruleSizer, func(p *planted) {
			p.onSize = func(ctx context.Context, box *plantedBox, id string) (int64, error) {
				size, err := measureSize(ctx, box, id)
				if errors.Is(err, mailbox.ErrNotFound) {
					return 0, nil
				}
				return size, err
			}
		}},
		{"Sizer", "an unknown message is a temporary failure", ruleSizer, func(p *planted) {
			p.onSize = func(ctx context.Context, box *plantedBox, id string) (int64, error) {
				size, err := measureSize(ctx, box, id)
				if errors.Is(err, mailbox.ErrNotFound) {
					return 0, mailbox.ErrTemporary
				}
				return size, err
			}
		}},
		{"Sizer", "a message that went keeps its size", ruleSizer, func(p *planted) {
			known := make(map[string]int64)
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				for _, m := range all {
					known[m.ID] = m.Size
				}
				return all
			}
			p.onSize = func(ctx context.Context, b *plantedBox, id string) (int64, error) {
				size, err := measureSize(ctx, b, id)
				if before, ok := known[id]; ok && strings.HasPrefix(b.user, "eve") {
					return before, nil
				}
				return size, err
			}
		}},
		{"Sizer", "sizes are looked up by message ID alone", ruleSizer, func(p *planted) {
			p.onSize = func(ctx context.Context, box *plantedBox, id string) (int64, error) {
				size, err := measureSize(ctx, box, id)
				if err == nil || !strings.HasPrefix(box.user, "bob") {
					return size, err
				}
				eve, openErr := p.Store.Open(ctx, mailbox.Login{User: strings.Replace(box.user, "bob", "eve", 1)})
				if openErr != nil {
					return 0, openErr
				}
				return measureSize(ctx, &plantedBox{Mailbox: eve}, id)
			}
		}},
		{"Sizer", "cancelled is taken for gone", ruleSizer, func(p *planted) {
			p.onSize = func(ctx context.Context, box *plantedBox, id string) (int64, error) {
				size, err := measureSize(ctx, box, id)
				if err != nil {
					return 0, mailbox.ErrNotFound
				}
				return size, nil
			}
		}},
	}
}

func receiptBugs() []bug {
	removing := func(which func(box *plantedBox, id string) []string) func(p *planted) {
		return func(p *planted) {
			p.onReceipt = func(_ context.Context, box *plantedBox, id string) error {
				return box.Mailbox.Delete(context.Background(), which(box, id))
			}
		}
	}
	return []bug{
		{"Receipter", "every receipt is an error", ruleReceipt, func(p *planted) {
			p.onReceipt = func(context.Context, *plantedBox, string) error { return errors.ErrUnsupported }
		}},
		{"Receipter", "an unknown message is a panic", ruleReceipt, func(p *planted) {
			p.onReceipt = func(_ context.Context, box *plantedBox, id string) error {
				_ = box.octets(id)[0]
				return nil
			}
		}},
		{"Receipter", "a message that was removed is a panic", ruleReceipt, func(p *planted) {
			p.onList = func(box *plantedBox, all []mailbox.Message) []mailbox.Message {
				box.ids = idsOf(all)
				return all
			}
			p.onReceipt = func(_ context.Context, box *plantedBox, id string) error {
				if slices.Contains(box.ids, id) {
					_ = box.octets(id)[0]
				}
				return nil
			}
		}},
		{"Receipter", "all is retrieved and removed", ruleReceipt,
			removing(func(box *plantedBox, _ string) []string { return idsOf(box.all()) })},
		{"Receipter", "all up to the message is removed, one too many", ruleReceipt,
			removing(func(box *plantedBox, id string) []string {
				ids := idsOf(box.all())
				return ids[:min(len(ids), slices.Index(ids, id)+2)]
			})},
		{"Receipter", "receipts are taken by message ID alone", ruleReceipt, func(p *planted) {
			p.onReceipt = func(ctx context.Context, box *plantedBox, id string) error {
				if !strings.HasPrefix(box.user, "bob") || box.octets(id) != nil {
					return nil
				}
				eve, err := p.Store.Open(ctx, mailbox.Login{User: strings.Replace(box.user, "bob", "eve", 1)})
				if err != nil {
					return err
				}
				return eve.Delete(ctx, []string{id})
			}
		}},
	}
}
