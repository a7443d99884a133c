package maildir

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/mailboxtest"
)

func TestConformance(t *testing.T) {
	mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
		dir := t.TempDir()
		newStore := func(t testing.TB) *Store {
			store, err := New(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			return store
		}
		store := newStore(t)
		var broken atomic.Bool
		store.fault = func(step) error {
			if broken.Load() {
				return errors.New("the disk does not answer")
			}
			return nil
		}
		return mailboxtest.Harness{
			Store:  store,
			Reopen: func(t testing.TB) mailbox.Store { return newStore(t) },
			Break: func(testing.TB) func() {
				broken.Store(true)
				return func() { broken.Store(false) }
			},
		}
	})
}
