package mailboxtest

import (
	"context"
	"io"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

func closeBugs() []bug {
	return []bug{
		{"CloseDrainsListeners", "what waits is thrown away", ruleDrain, func(p *planted) {
			p.onListen = func(l mailbox.Listener) {
				first := true
				p.Store.Listen(mailbox.ListenerFunc(func(ctx context.Context, event mailbox.Event) error {
					if !first {
						return nil
					}
					first = false
					return l.MailboxChanged(ctx, event)
				}))
			}
		}},
		{"CloseGivesUpWithItsContext", "Close waits forever", ruleDrain, func(p *planted) {
			p.onClose = func(context.Context) error { return p.Store.Close(context.Background()) }
		}},
		{"CloseGivesUpWithItsContext", "Close does not wait at all", ruleDrain, func(p *planted) {
			p.onClose = func(context.Context) error { return nil }
		}},
		{"AfterClose", "Close closes nothing", ruleClosed, func(p *planted) {
			p.onClose = func(context.Context) error { return nil }
		}},
		{"AfterClose", "a closed store takes mail", ruleClosed, func(p *planted) {
			p.onAppend = p.Store.Append
		}},
		{"Reopen", "nothing is left", ruleDurable, func(p *planted) {
			p.onReopen = func() mailbox.Store { return new(memory.Store) }
		}},
		{"Reopen", "the sizes are forgotten", ruleDurable, func(p *planted) {
			p.onReopen = func() mailbox.Store {
				again := &planted{Store: p.Store}
				again.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
					for i := range all {
						all[i].Size = 0
					}
					return all
				}
				return again
			}
		}},
		{"ReopenForgetsNoUIDL", "foreign UIDLs are forgotten", ruleForeign, func(p *planted) {
			p.onReopen = func() mailbox.Store {
				again := &planted{Store: p.Store}
				show(again, func(*plantedBox, int, mailbox.Message) string { return "" })
				return again
			}
		}},
		{"ReopenForgetsNoUIDL", "the count begins again", ruleID, func(p *planted) {
			p.onReopen = func() mailbox.Store {
				again, young := &planted{Store: p.Store}, new(memory.Store)
				of := func(user string) *memory.Store {
					if strings.HasPrefix(user, "eve") {
						return young
					}
					return p.Store
				}
				again.onOpen = func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
					return of(login.User).Open(ctx, login)
				}
				again.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
					return of(delivery.Recipients[0].User).Append(ctx, delivery, body)
				}
				return again
			}
		}},
	}
}
