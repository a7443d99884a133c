package mailboxtest

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/popcask/popcask/mailbox"
)

func listenerBugs() []bug {
	return []bug{
		{"ListenersHear", "no events", ruleListener, func(p *planted) { p.onListen = func(mailbox.Listener) {} }},
		{"ListenersHear", "one listener alone", ruleListener, func(p *planted) {
			var once sync.Once
			p.onListen = func(l mailbox.Listener) { once.Do(func() { p.Store.Listen(l) }) }
		}},
		{"ListenersHear", "no events of removals", ruleListener, hear(func(event mailbox.Event) []mailbox.Event {
			if event.Kind == mailbox.Removed {
				return nil
			}
			return []mailbox.Event{event}
		})},
		{"ListenersHear", "the user name is as it came", ruleListener, hear(func(event mailbox.Event) []mailbox.Event {
			event.User = strings.ToUpper(event.User)
			return []mailbox.Event{event}
		})},
		{"ListenersHear", "sizes are missing", ruleListener, hear(func(event mailbox.Event) []mailbox.Event {
			event.Messages = slices.Clone(event.Messages)
			for i := range event.Messages {
				event.Messages[i].Size = 0
			}
			return []mailbox.Event{event}
		})},
		{"ListenersHear", "events of deliveries that fail", ruleListener, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				if err != nil {
					p.Notify(mailbox.Event{Kind: mailbox.Added, User: delivery.Recipients[0].User})
				}
				return results, err
			}
		}},
		{"ListenersHarmNothing", "listeners are called on the way", ruleHarmless, func(p *planted) {
			var listeners []mailbox.Listener
			p.onListen = func(l mailbox.Listener) { listeners = append(listeners, l) }
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				results, err := p.Store.Append(ctx, delivery, body)
				for _, l := range listeners {
					func() {
						defer func() { _ = recover() }()
						_ = l.MailboxChanged(ctx, mailbox.Event{Kind: mailbox.Added})
					}()
				}
				return results, err
			}
		}},
		{"ListenersHarmNothing", "a listener that fails refuses mail", ruleHarmless, func(p *planted) {
			var first mailbox.Listener
			p.onListen = func(l mailbox.Listener) {
				if first == nil {
					first = l
				}
			}
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				if err := first.MailboxChanged(ctx, mailbox.Event{}); err != nil {
					return nil, err
				}
				return p.Store.Append(ctx, delivery, body)
			}
		}},
	}
}

// hear makes listeners hear other events than those that happened.
func hear(change func(mailbox.Event) []mailbox.Event) func(p *planted) {
	return func(p *planted) {
		p.onListen = func(l mailbox.Listener) {
			p.Store.Listen(mailbox.ListenerFunc(func(ctx context.Context, event mailbox.Event) error {
				for _, told := range change(event) {
					if err := l.MailboxChanged(ctx, told); err != nil {
						return err
					}
				}
				return nil
			}))
		}
	}
}
