package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/popcask/popcask/mailbox"
)

func appendBugs() []bug {
	return []bug{
		{"SeveralRecipients", "all get the header of the second", ruleHeader, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				for i := range delivery.Recipients {
					delivery.Recipients[i].Header = delivery.Recipients[1].Header
				}
				return p.Store.Append(ctx, delivery, body)
			}
		}},
		{"SeveralRecipients", "results in another order", ruleResults, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				slices.Reverse(results)
				return results, err
			}
		}},
		{"SeveralRecipients", "one result for all", ruleResults, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				return results[:1], err
			}
		}},
		{"SeveralRecipients", "the size of the body alone", ruleSize, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				for i := range results {
					results[i].Size -= int64(len(delivery.Recipients[i].Header))
				}
				return results, err
			}
		}},
		{"SameRecipientTwice", "one copy for two", ruleResults, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				delivery.Recipients = delivery.Recipients[:1]
				results, err := p.Store.Append(ctx, delivery, body)
				return append(results, results[0]), err
			}
		}},
		{"RecipientsFailOnTheirOwn", "one failure fails all", ruleResults, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				for _, recipient := range delivery.Recipients {
					if _, err := mailbox.CanonicalUser(recipient.User); err != nil {
						return nil, err
					}
				}
				return p.Store.Append(ctx, delivery, body)
			}
		}},
		{"BodyThatFails", "what came is stored", ruleBody, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				octets, failure := io.ReadAll(body)
				results, err := p.Store.Append(ctx, delivery, bytes.NewReader(octets))
				if failure != nil {
					return nil, failure
				}
				return results, err
			}
		}},
		{"BodyThatFails", "the error is swallowed", ruleBody, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				octets, _ := io.ReadAll(body)
				return p.Store.Append(ctx, delivery, bytes.NewReader(octets))
			}
		}},
		{"BodyThatFails", "an unexpected end is taken for the end", ruleBody, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				octets, err := io.ReadAll(body)
				if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
					return nil, err
				}
				return p.Store.Append(ctx, delivery, bytes.NewReader(octets))
			}
		}},
		{"BodyThatFails", "results beside the error", ruleBody, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				if err != nil {
					return make([]mailbox.Result, len(delivery.Recipients)), err
				}
				return results, nil
			}
		}},
		{"NothingIsVisibleBeforeItIsComplete", "listed when the delivery begins", ruleInvisible, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				if _, err := p.Store.Append(ctx, delivery, strings.NewReader("")); err != nil {
					return nil, err
				}
				return p.Store.Append(ctx, delivery, body)
			}
		}},
		{"NothingIsVisibleBeforeItIsComplete", "a lock is held while the body comes", ruleInvisible, func(p *planted) {
			var mu sync.Mutex
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				mu.Lock()
				defer mu.Unlock()
				return p.Store.Append(ctx, delivery, body)
			}
			p.onOpen = func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
				mu.Lock()
				defer mu.Unlock()
				return p.Store.Open(ctx, login)
			}
		}},
		{"ConcurrentDeliveriesAndSessions", "some deliveries are overtaken and lost", ruleWhole, func(p *planted) {
			var n atomic.Int64
			var lost sync.Map
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				if n.Add(1)%10 == 0 {
					for _, result := range results {
						lost.Store(result.ID, true)
					}
				}
				return results, err
			}
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				return slices.DeleteFunc(all, func(m mailbox.Message) bool {
					_, gone := lost.Load(m.ID)
					return gone
				})
			}
		}},
	}
}
