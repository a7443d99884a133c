package mailboxtest

import (
	"context"
	"io"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

// planted is a memory store with bugs, for a harness that has everything.
type planted struct {
	*memory.Store
	bugs
	closed atomic.Bool
	broken atomic.Bool // by Harness.Break
}

// bugs are functions that replace calls; nil ones do not.
type bugs struct {
	onOpen   func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error)
	onAppend func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error)
	onClose  func(ctx context.Context) error
	onListen func(mailbox.Listener)
	onReopen func() mailbox.Store

	onMessages func(ctx context.Context, box *plantedBox) iter.Seq2[mailbox.Message, error]
	onList     func(box *plantedBox, all []mailbox.Message) []mailbox.Message // what a healthy listing yields
	onRead     func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error)
	onSize     func(ctx context.Context, box *plantedBox, id string) (int64, error)
	onReceipt  func(ctx context.Context, box *plantedBox, id string) error
	onDelete   func(ctx context.Context, box *plantedBox, ids []string) error
	onDone     func(box *plantedBox) error
}

// plantedBox is a session of a planted store.
type plantedBox struct {
	mailbox.Mailbox
	store *planted
	user  string
	ids   []string // for the bugs
}

// newPlanted makes a store without bugs.
func newPlanted() *planted { return &planted{Store: new(memory.Store)} }

// harness returns a harness of the store. While the store is broken, every call
// is ErrTemporary unless a bug says something else.
func (p *planted) harness(t testing.TB, patience time.Duration) Harness {
	t.Cleanup(func() { _ = p.Store.Close(context.Background()) })
	return Harness{
		Store: p,
		Reopen: func(testing.TB) mailbox.Store {
			if p.onReopen != nil {
				return p.onReopen()
			}
			return &planted{Store: p.Store, bugs: p.bugs}
		},
		Break: func(testing.TB) func() {
			p.broken.Store(true)
			return func() { p.broken.Store(false) }
		},
		patience: patience,
	}
}

func (p *planted) sick() error {
	switch {
	case p.closed.Load():
		return mailbox.ErrClosed
	case p.broken.Load():
		return mailbox.ErrTemporary
	}
	return nil
}

func (p *planted) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if p.closed.Load() {
		return nil, mailbox.ErrClosed
	}
	open := p.Store.Open
	if p.onOpen != nil {
		open = p.onOpen
	}
	box, err := open(ctx, login)
	if err != nil {
		return nil, err
	}
	return &plantedBox{Mailbox: box, store: p, user: login.User}, nil
}

func (p *planted) Append(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	if p.onAppend != nil {
		return p.onAppend(ctx, delivery, body)
	}
	if err := p.sick(); err != nil {
		return nil, err
	}
	return p.Store.Append(ctx, delivery, body)
}

func (p *planted) Listen(listener mailbox.Listener) {
	if p.onListen != nil {
		p.onListen(listener)
		return
	}
	p.Store.Listen(listener)
}

// Close keeps the mail for Reopen.
func (p *planted) Close(ctx context.Context) error {
	if p.onClose != nil {
		return p.onClose(ctx)
	}
	p.closed.Store(true)
	return p.Listeners.Close(ctx)
}

func (b *plantedBox) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	if b.store.onMessages != nil {
		return b.store.onMessages(ctx, b)
	}
	return func(yield func(mailbox.Message, error) bool) {
		all, err := mailbox.List(ctx, b.Mailbox)
		if b.store.onList != nil {
			all = b.store.onList(b, all)
		} else if sick := b.store.sick(); sick != nil {
			err = sick
		}
		if err != nil {
			yield(mailbox.Message{}, err)
			return
		}
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (b *plantedBox) Open(ctx context.Context, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
	if b.store.onRead != nil {
		return b.store.onRead(ctx, b, id, options)
	}
	if err := b.store.sick(); err != nil {
		return nil, err
	}
	return b.Mailbox.Open(ctx, id, options)
}

// Size implements [mailbox.Sizer].
func (b *plantedBox) Size(ctx context.Context, id string) (int64, error) {
	if b.store.onSize != nil {
		return b.store.onSize(ctx, b, id)
	}
	body, err := b.Open(ctx, id, mailbox.OpenOptions{})
	if err != nil {
		return 0, err
	}
	return mailbox.Octets(body)
}

// Retrieved implements [mailbox.Receipter].
func (b *plantedBox) Retrieved(ctx context.Context, id string) error {
	if b.store.onReceipt != nil {
		return b.store.onReceipt(ctx, b, id)
	}
	return b.store.sick()
}

func (b *plantedBox) Delete(ctx context.Context, ids []string) error {
	if b.store.onDelete != nil {
		return b.store.onDelete(ctx, b, ids)
	}
	if err := b.store.sick(); err != nil {
		return err
	}
	return b.Mailbox.Delete(ctx, ids)
}

func (b *plantedBox) Close() error {
	if b.store.onDone != nil {
		return b.store.onDone(b)
	}
	return b.Mailbox.Close()
}

// all lists the mailbox without the bugs.
func (b *plantedBox) all() []mailbox.Message {
	messages, err := mailbox.List(context.Background(), b.Mailbox)
	if err != nil {
		panic(err)
	}
	return messages
}

// octets reads a message without the bugs. It is nil if there is no such
// message.
func (b *plantedBox) octets(id string) []byte {
	octets, err := read(context.Background(), b.Mailbox, id, mailbox.OpenOptions{})
	if err != nil {
		return nil
	}
	return octets
}
