package mailbox_test

import (
	"context"
	"io"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/mailboxtest"
	"github.com/popcask/popcask/mailbox/memory"
)

// The store of the example keeps the rules that it is an example of.
func TestTheExampleStoreConforms(t *testing.T) {
	mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
		store := &fileStore{dir: t.TempDir()}
		return mailboxtest.Harness{
			Store: store,
			Deliver: func(ctx context.Context, user string, body io.Reader) error {
				return store.deliver(ctx, user, body)
			},
			Reopen: func(testing.TB) mailbox.Store {
				store = &fileStore{dir: store.dir}
				return store
			},
		}
	})
}

// The wrapper of the example breaks no rule of the mailbox in it.
func TestTheExampleWrapperConforms(t *testing.T) {
	mailboxtest.Run(t, func(testing.TB) mailboxtest.Harness {
		return mailboxtest.Harness{Store: observedStore{new(memory.Store)}}
	})
}

type observedStore struct{ *memory.Store }

func (s observedStore) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	box, err := s.Store.Open(ctx, login)
	if err != nil {
		return nil, err
	}
	return observedBox{box, io.Discard}, nil
}
