package maildir

import (
	"errors"
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
		return mailboxtest.Harness{
			Store:  store,
			Reopen: func(t testing.TB) mailbox.Store { return newStore(t) },
			Break: func(testing.TB) func() {
				store.breakAt(func(step) error { return errors.New("the disk does not answer") })
				return store.mend
			},
		}
	})
}

// breakAt lets every step ask fault first.
func (s *Store) breakAt(fault func(step) error) { s.fault.Store(&fault) }

func (s *Store) mend() { s.fault.Store(nil) }
