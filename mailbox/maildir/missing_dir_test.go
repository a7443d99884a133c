package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// Backups and programs that synchronise leave empty directories out.
func TestADirectoryThatWasRemovedIsMadeAgain(t *testing.T) {
	for _, place := range []string{"tmp", "new", "cur"} {
		t.Run(place, func(t *testing.T) {
			for _, delivery := range []mailbox.Delivery{mailbox.To("bob"), {Recipients: mailbox.To("bob").Recipients, UIDL: "foreign"}} {
				store := newStore(t, Options{})
				deliver(t, store, "bob", "hello")
				require.NoError(t, os.RemoveAll(path(store, "bob", place)))
				message, err := mailbox.Deliver(t.Context(), store, delivery, strings.NewReader("hello again"))
				require.NoError(t, err)
				require.Contains(t, listed(t, store, "bob"), message)
			}
		})
	}
}

// The mailbox is removed while its messages are being deleted.
func TestAMailboxWithoutCurThatGoesDuringADelete(t *testing.T) {
	store := newStore(t, Options{})
	first, second := deliver(t, store, "bob", "one"), deliver(t, store, "bob", "two")
	require.NoError(t, os.Remove(path(store, "bob", "cur")))
	box := open(t, store, "bob")
	require.Len(t, list(t, box), 2)

	removals := 0
	store.fault = func(now step) error {
		if now == stepRemove {
			if removals++; removals == 2 {
				return os.RemoveAll(path(store, "bob"))
			}
		}
		return nil
	}
	require.NoError(t, box.Delete(t.Context(), []string{first.ID, second.ID}))
	require.Empty(t, listed(t, store, "bob"))
}

func TestAMailboxThatWasRemovedIsMadeAgain(t *testing.T) {
	store := newStore(t, Options{})
	deliver(t, store, "bob", "hello")
	require.NoError(t, os.RemoveAll(path(store, "bob")))
	require.Empty(t, listed(t, store, "bob"))
	m := deliver(t, store, "bob", "hello again")
	require.NoError(t, os.RemoveAll(path(store, "bob", "tmp")))
	second := deliver(t, store, "bob", "and again")
	require.Equal(t, []mailbox.Message{m, second}, listed(t, store, "bob"))
	require.DirExists(t, filepath.Join(path(store, "bob"), "tmp"))
}

func TestASessionKeepsItsMailboxWhenAnotherTakesItsPlace(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "hello")
	box := open(t, store, "bob")
	list(t, box)
	require.NoError(t, os.Rename(path(store, "bob"), path(store, "archived")))
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	other := deliver(t, store, "bob", "another")
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	require.Equal(t, "hello\r\n", read(t, box, m.ID))
	require.Equal(t, []mailbox.Message{other}, listed(t, store, "bob"))
}

// Another program removes a mailbox under a session that has seen its messages,
// and makes it again without new.
func TestAMailboxThatVanishesUnderASession(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, box mailbox.Mailbox, id string){
		"open": func(t *testing.T, box mailbox.Mailbox, id string) {
			_, err := box.Open(t.Context(), id, mailbox.OpenOptions{})
			require.ErrorIs(t, err, mailbox.ErrNotFound)
		},
		"delete": func(t *testing.T, box mailbox.Mailbox, id string) {
			require.NoError(t, box.Delete(t.Context(), []string{id}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, Options{})
			put(t, store, "bob", "new", "1.M1.host", "hello")
			put(t, store, "bob", "new", "2.M2.host", "hello")
			cur := path(store, "bob", "cur")
			require.NoError(t, os.Remove(cur))
			box := open(t, store, "bob")
			require.Len(t, list(t, box), 2)

			require.NoError(t, os.RemoveAll(path(store, "bob")))
			require.NoError(t, os.MkdirAll(cur, 0o700))
			readings := 0
			store.fault = func(now step) error {
				if now != stepList {
					return nil
				}
				if readings++; readings > 1 {
					return errors.New("the disk does not answer")
				}
				return os.Chtimes(cur, time.Time{}, time.Now().Truncate(time.Second)) // not settled
			}
			_, err := box.Open(t.Context(), "1.M1.host", mailbox.OpenOptions{})
			require.ErrorIs(t, err, mailbox.ErrTemporary)
			store.fault = nil
			use(t, box, "2.M2.host")
			require.Empty(t, list(t, box))
		})
	}
}
