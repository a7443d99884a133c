package mailboxtest

import (
	"bytes"
	"context"
	"io"
	netmail "net/mail"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// deliver is a Harness.Deliver without bugs.
func (p *planted) deliver(ctx context.Context, user string, body io.Reader) error {
	_, err := mailbox.Deliver(ctx, p.Store, mailbox.To(user), body)
	return err
}

// What a Deliver can show is found in stores that are no Appender, too.
func TestDeliverIsEnoughToFindIt(t *testing.T) {
	type deliver = func(ctx context.Context, user string, body io.Reader) error
	bugs := map[string]struct {
		rule  rule
		plant func(p *planted) deliver
	}{
		"ConcurrentDeliveriesAndSessions": {ruleWhole, func(p *planted) deliver {
			var n atomic.Int64
			return func(ctx context.Context, user string, body io.Reader) error {
				if n.Add(1)%10 == 0 {
					return nil
				}
				return p.deliver(ctx, user, body)
			}
		}},
		"NothingIsVisibleBeforeItIsComplete": {ruleInvisible, func(p *planted) deliver {
			return func(ctx context.Context, user string, body io.Reader) error {
				if err := p.deliver(ctx, user, strings.NewReader("")); err != nil {
					return err
				}
				return p.deliver(ctx, user, body)
			}
		}},
		"BodyThatFails": {ruleBody, func(p *planted) deliver {
			return func(ctx context.Context, user string, body io.Reader) error {
				octets, _ := io.ReadAll(body)
				return p.deliver(ctx, user, bytes.NewReader(octets))
			}
		}},
		"CancelledAppend": {ruleContext, func(p *planted) deliver {
			return func(ctx context.Context, user string, body io.Reader) error {
				if err := p.deliver(context.Background(), user, body); err != nil {
					return err
				}
				return ctx.Err()
			}
		}},
		"ListingIsOrderedByDeliveryNotByDate": {ruleOrder, func(p *planted) deliver {
			p.onList = func(box *plantedBox, all []mailbox.Message) []mailbox.Message {
				date := func(m mailbox.Message) time.Time {
					message, err := netmail.ReadMessage(bytes.NewReader(box.octets(m.ID)))
					if err != nil {
						return time.Time{}
					}
					date, _ := message.Header.Date()
					return date
				}
				slices.SortFunc(all, func(a, b mailbox.Message) int { return date(a).Compare(date(b)) })
				return all
			}
			return p.deliver
		}},
	}
	for name, bug := range bugs {
		t.Run(name, func(t *testing.T) {
			r := record(t, checkNamed(name), func(t testing.TB) Harness {
				p := newPlanted()
				h := p.harness(t, 30*time.Second)
				h.Deliver = bug.plant(p)
				h.Store = bare{p}
				return h
			})
			require.NotEmpty(t, r.failures)
			require.Contains(t, r.failures[0], string(bug.rule))
			require.Empty(t, r.skipped)
		})
	}
}
