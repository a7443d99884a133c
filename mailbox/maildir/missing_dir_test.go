package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
