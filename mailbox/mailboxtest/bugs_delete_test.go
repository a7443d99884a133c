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

func deleteBugs() []bug {
	return []bug{
		{"Delete", "only the first of a batch", ruleDelete, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				return box.Mailbox.Delete(ctx, ids[:min(1, len(ids))])
			}
		}},
		{"Delete", "the content stays", ruleNotFound, func(p *planted) {
			p.onRead = keepContent(p)
		}},
		{"Delete", "one too many", ruleDelete, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				return box.Mailbox.Delete(ctx, append(ids, box.all()[1].ID))
			}
		}},
		{"DeleteAbsent", "what is absent is an error", ruleDeleteAbsent, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				failed := make(map[string]error)
				for _, id := range ids {
					if box.octets(id) == nil {
						failed[id] = mailbox.ErrNotFound
					}
				}
				err := box.Mailbox.Delete(ctx, ids)
				if len(failed) > 0 {
					return &mailbox.DeleteError{Failed: failed}
				}
				return err
			}
		}},
		{"DeleteAbsent", "an absent one ends the batch", ruleDelete, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				for _, id := range ids {
					if box.octets(id) == nil {
						return nil
					}
					if err := box.Mailbox.Delete(ctx, []string{id}); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{"DeleteIsForTheOwnMailbox", "messages are deleted by ID alone", ruleOwn, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				alice, err := p.Store.Open(ctx, mailbox.Login{User: strings.Replace(box.user, "eve", "alice", 1)})
				if err != nil {
					return err
				}
				return errors.Join(alice.Delete(ctx, ids), box.Mailbox.Delete(ctx, ids))
			}
		}},
		{"CloseDeletesNothing", "what was read is deleted", ruleClose, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				box.ids = append(box.ids, id)
				return box.Mailbox.Open(ctx, id, options)
			}
			p.onDone = func(box *plantedBox) error { return box.Mailbox.Delete(context.Background(), box.ids) }
		}},
		{"TwoSessionsLoseNothing", "the mailbox is written anew, as it was listed", ruleSessions, func(p *planted) {
			p.onList = func(box *plantedBox, all []mailbox.Message) []mailbox.Message {
				box.ids = idsOf(all)
				return all
			}
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				for _, m := range box.all() {
					if !slices.Contains(box.ids, m.ID) {
						ids = append(ids, m.ID)
					}
				}
				return box.Mailbox.Delete(ctx, ids)
			}
		}},
		{"TwoSessionsOneMessage", "the rest of a message that goes is silently missing", ruleSessions, func(p *planted) {
			content := keepContent(p)
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := content(ctx, box, id, options)
				if err == nil && box.octets(id) == nil {
					return io.NopCloser(io.LimitReader(body, 20)), nil
				}
				return body, err
			}
			p.onList = func(box *plantedBox, all []mailbox.Message) []mailbox.Message {
				for _, m := range all {
					_, _ = content(context.Background(), box, m.ID, mailbox.OpenOptions{})
				}
				return all
			}
		}},
		{"TwoSessionsOneMessage", "a message that went is a temporary failure", ruleNotFound, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := box.Mailbox.Open(ctx, id, options)
				if err != nil {
					return nil, mailbox.ErrTemporary
				}
				return body, nil
			}
		}},
	}
}

// keepContent opens every message that was ever seen, even if it was deleted.
func keepContent(p *planted) func(context.Context, *plantedBox, string, mailbox.OpenOptions) (io.ReadCloser, error) {
	kept := make(map[string][]byte)
	p.onList = func(box *plantedBox, all []mailbox.Message) []mailbox.Message {
		for _, m := range all {
			kept[m.ID] = box.octets(m.ID)
		}
		return all
	}
	return func(_ context.Context, box *plantedBox, id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
		if octets := box.octets(id); octets != nil {
			kept[id] = octets
		}
		if kept[id] == nil {
			return nil, mailbox.ErrNotFound
		}
		return io.NopCloser(bytes.NewReader(kept[id])), nil
	}
}
