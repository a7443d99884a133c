package maildir

import (
	"errors"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/mailboxtest"
)

func TestConformance(t *testing.T) { conforms(t, Options{}) }

func TestConformanceWithTheOptionsOfAnotherServer(t *testing.T) {
	slow.Test(t, "the conformance kit once more")
	conforms(t, Options{
		Dir:         func(user string) (string, error) { return "users/" + DirName(user) + "/Maildir", nil },
		FileMode:    0o660,
		DirMode:     fs.ModeSetgid | 0o770,
		FollowLinks: true,
		UIDL:        DovecotUIDL("dovecot-uidlist"),
	})
}

func conforms(t *testing.T, options Options) {
	mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
		dir := t.TempDir()
		newStore := func(t testing.TB) *Store {
			store, err := New(dir, options)
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
