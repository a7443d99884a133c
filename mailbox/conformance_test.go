package mailbox_test

import (
	"context"
	"io"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/mailboxtest"
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
