package maildir

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// Backups and synchronising programs leave empty directories out.
func TestADirectoryThatWasRemovedIsMadeAgain(t *testing.T) {
	for _, place := range []string{"tmp", "new", "cur"} {
		t.Run(place, func(t *testing.T) {
			for _, delivery := range []mailbox.Delivery{to("bob"), {Recipients: to("bob").Recipients, UIDL: "foreign"}} {
				store := newStore(t, Options{})
				deliver(t, store, "bob", "hello")
				require.NoError(t, os.RemoveAll(path(store, "bob", place)))
				result := appendTo(t, store, delivery, "hello again")[0]
				require.NoError(t, result.Err)
				require.Contains(t, listed(t, store, "bob"), result.Message)
			}
		})
	}
}

// The maildrop goes while its messages are being removed.
func TestAMaildropWithoutCurThatGoesDuringADelete(t *testing.T) {
	store := newStore(t, Options{})
	first, second := deliver(t, store, "bob", "one"), deliver(t, store, "bob", "two")
	require.NoError(t, os.Remove(path(store, "bob", "cur")))
	box := open(t, store, "bob")
	require.Len(t, list(t, box), 2)

	removals := 0
	fault := func(now step) error {
		if now == stepRemove {
			if removals++; removals == 2 {
				return os.RemoveAll(path(store, "bob"))
			}
		}
		return nil
	}
	store.fault.Store(&fault)
	require.NoError(t, box.Delete(t.Context(), []string{first.ID, second.ID}))
	require.Empty(t, listed(t, store, "bob"))
}
