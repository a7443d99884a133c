package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestNoFileStaysOpen(t *testing.T) {
	openFiles := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(files)
	}
	store := newStore(t, Options{Quota: 1 << 20, MaxMessageSize: 1000})
	deliver(t, store, "bob", "hello")
	before := openFiles()
	for i := range 20 {
		deliver(t, store, "bob", "hello")
		delivery := mailbox.To("bob", "alice", "\xff", "carol")
		delivery.UIDL = "uid-1"
		appendTo(t, store, delivery, strings.Repeat("x", 100*i))
		box, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
		require.NoError(t, err)
		m := list(t, box)[0]
		read(t, box, m.ID)
		require.NoError(t, os.Mkdir(filepath.Join(store.dir, "bob", "cur", "1.M1.directory"), 0o700))
		_, err = box.Open(t.Context(), "no.such.message", mailbox.OpenOptions{})
		require.ErrorIs(t, err, mailbox.ErrNotFound)
		require.NoError(t, box.Delete(t.Context(), []string{m.ID}))
		require.NoError(t, box.Close())
		require.NoError(t, os.Remove(filepath.Join(store.dir, "bob", "cur", "1.M1.directory")))
	}
	require.Equal(t, before, openFiles())
}
