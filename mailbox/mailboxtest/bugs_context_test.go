package mailboxtest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/popcask/popcask/mailbox"
)

func contextBugs() []bug {
	return []bug{
		{"SessionOutlivesContexts", "the session has the context of Store.Open", ruleOutlives, func(p *planted) {
			opened := make(map[mailbox.Mailbox]context.Context)
			p.onOpen = func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
				box, err := p.Store.Open(ctx, login)
				opened[box] = ctx
				return box, err
			}
			p.onMessages = func(_ context.Context, box *plantedBox) iter.Seq2[mailbox.Message, error] {
				return box.Mailbox.Messages(opened[box.Mailbox])
			}
		}},
		{"SessionOutlivesContexts", "the session has the context of its listing", ruleOutlives, func(p *planted) {
			var listing context.Context
			p.onMessages = func(ctx context.Context, box *plantedBox) iter.Seq2[mailbox.Message, error] {
				listing = ctx
				return box.Mailbox.Messages(ctx)
			}
			p.onRead = func(_ context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				return box.Mailbox.Open(listing, id, options)
			}
		}},
		{"CancelledListing", "the listing just ends", ruleContext, func(p *planted) {
			p.onMessages = func(ctx context.Context, box *plantedBox) iter.Seq2[mailbox.Message, error] {
				return func(yield func(mailbox.Message, error) bool) {
					for _, m := range box.all() {
						if ctx.Err() != nil || !yield(m, nil) {
							return
						}
					}
				}
			}
		}},
		{"CancelledListing", "the listing goes on after its error", ruleEnds, func(p *planted) {
			p.onMessages = func(ctx context.Context, box *plantedBox) iter.Seq2[mailbox.Message, error] {
				return func(yield func(mailbox.Message, error) bool) {
					for _, m := range box.all() {
						if !yield(m, ctx.Err()) {
							return
						}
					}
				}
			}
		}},
		{"CancelledListing", "a call that is cancelled ends the session", ruleOutlives, mortal},
		{"CancelledOpen", "a call that is cancelled ends the session", ruleOutlives, mortal},
		{"CancelledDelete", "a call that is cancelled ends the session", ruleOutlives, mortal},
		{"CancelledOpen", "cancelled is taken for gone", ruleTemporary, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := box.Mailbox.Open(ctx, id, options)
				if err != nil {
					return nil, mailbox.ErrNotFound
				}
				return body, nil
			}
		}},
		{"CancelledOpen", "the message just ends", ruleContext, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := box.Mailbox.Open(context.Background(), id, options)
				return readCloser{readerFunc(func(p []byte) (int, error) {
					if ctx.Err() != nil {
						return 0, io.EOF
					}
					return body.Read(p)
				}), body}, err
			}
		}},
		{"CancelledDelete", "nothing done, success said", ruleDelete, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				if ctx.Err() != nil {
					return nil
				}
				return box.Mailbox.Delete(ctx, ids)
			}
		}},
		{"CancelledAppend", "what came until then is stored", ruleContext, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				_, err := p.Store.Append(context.Background(), delivery, body)
				if err == nil && ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return nil, err
			}
		}},
	}
}

// wait returns once the store is mended.
func (p *planted) wait() {
	for p.broken.Load() {
		time.Sleep(time.Millisecond)
	}
}

// mortal sessions are bound to the context of every call, as a connection to
// another server may be.
func mortal(p *planted) {
	call := func(ctx context.Context, box *plantedBox) error {
		if box.ids != nil {
			return mailbox.ErrTemporary
		}
		if ctx.Err() != nil {
			box.ids = []string{}
		}
		return ctx.Err()
	}
	p.onMessages = func(ctx context.Context, box *plantedBox) iter.Seq2[mailbox.Message, error] {
		return func(yield func(mailbox.Message, error) bool) {
			if err := call(ctx, box); err != nil {
				yield(mailbox.Message{}, err)
				return
			}
			for _, m := range box.all() {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
	p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
		if err := call(ctx, box); err != nil {
			return nil, err
		}
		return box.Mailbox.Open(ctx, id, options)
	}
	p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
		if err := call(ctx, box); err != nil {
			return err
		}
		return box.Mailbox.Delete(ctx, ids)
	}
}

type readCloser struct {
	io.Reader
	io.Closer
}

func brokenBugs() []bug {
	return []bug{
		{"BrokenStore", "out of reach is taken for gone", ruleTemporary, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				if p.broken.Load() {
					return nil, mailbox.ErrNotFound
				}
				return box.Mailbox.Open(ctx, id, options)
			}
		}},
		{"BrokenStore", "out of reach is taken for gone by Size", ruleTemporary, func(p *planted) {
			p.onSize = func(context.Context, *plantedBox, string) (int64, error) { return 0, mailbox.ErrNotFound }
		}},
		{"BrokenStore", "Open waits until the network is back", ruleSoon, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				p.wait()
				return box.Mailbox.Open(ctx, id, options)
			}
		}},
		{"BrokenStore", "a listing waits until the network is back", ruleSoon, func(p *planted) {
			p.onMessages = func(ctx context.Context, box *plantedBox) iter.Seq2[mailbox.Message, error] {
				p.wait()
				return box.Mailbox.Messages(ctx)
			}
		}},
		{"BrokenStore", "half a message", ruleOctets, func(p *planted) {
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := box.Mailbox.Open(ctx, id, options)
				if err == nil && p.broken.Load() {
					return io.NopCloser(io.LimitReader(body, 10)), nil
				}
				return body, err
			}
		}},
		{"BrokenStore", "an empty listing", ruleWhole, func(p *planted) {
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				if p.broken.Load() {
					return nil
				}
				return all
			}
		}},
		{"BrokenStore", "no such user", ruleEmpty, func(p *planted) {
			p.onOpen = func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
				if p.broken.Load() {
					return nil, mailbox.ErrNoSuchUser
				}
				return p.Store.Open(ctx, login)
			}
		}},
		{"BrokenStore", "mail is refused for good", ruleResults, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				if p.broken.Load() {
					return []mailbox.Result{{Err: mailbox.ErrNoSuchUser}}, nil
				}
				return p.Store.Append(ctx, delivery, body)
			}
		}},
		{"BrokenStore", "mail is acknowledged and lost", ruleWhole, func(p *planted) {
			p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				if p.broken.Load() {
					return []mailbox.Result{{Message: mailbox.Message{ID: "lost"}}}, nil
				}
				return p.Store.Append(ctx, delivery, body)
			}
		}},
		{"BrokenStore", "a DeleteError without names", ruleDeleteError, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				if p.broken.Load() {
					return &mailbox.DeleteError{}
				}
				return box.Mailbox.Delete(ctx, ids)
			}
		}},
		{"BrokenStore", "a DeleteError without a cause", ruleDeleteError, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				if p.broken.Load() {
					return &mailbox.DeleteError{Failed: map[string]error{ids[0]: nil}}
				}
				return box.Mailbox.Delete(ctx, ids)
			}
		}},
		{"BrokenStore", "a DeleteError that names one of four", ruleDeleteError, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				if p.broken.Load() {
					return fmt.Errorf("planted: %w", &mailbox.DeleteError{Failed: map[string]error{ids[0]: mailbox.ErrTemporary}})
				}
				return box.Mailbox.Delete(ctx, ids)
			}
		}},
		{"BrokenStore", "a DeleteError that names a stranger", ruleDeleteError, func(p *planted) {
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				if p.broken.Load() {
					return &mailbox.DeleteError{Failed: map[string]error{"stranger": mailbox.ErrTemporary}}
				}
				return box.Mailbox.Delete(ctx, ids)
			}
		}},
		{"BrokenStore", "removed by half: listed without content", ruleDeleteWhole, func(p *planted) {
			half := ""
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				if p.broken.Load() {
					half = ids[0]
					return mailbox.ErrTemporary
				}
				return box.Mailbox.Delete(ctx, ids)
			}
			p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				if id == half {
					return nil, mailbox.ErrNotFound
				}
				return box.Mailbox.Open(ctx, id, options)
			}
		}},
		{"BrokenStore", "removed by half: content that is not listed", ruleDeleteWhole, func(p *planted) {
			half := ""
			p.onDelete = func(ctx context.Context, box *plantedBox, ids []string) error {
				if p.broken.Load() {
					half = ids[0]
					return mailbox.ErrTemporary
				}
				return box.Mailbox.Delete(ctx, ids)
			}
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				if half == "" {
					return all
				}
				return slices.DeleteFunc(all, func(m mailbox.Message) bool { return m.ID == half })
			}
		}},
	}
}
