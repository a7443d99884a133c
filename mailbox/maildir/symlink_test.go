package maildir

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestSymbolicLinksAreNotFollowedOut(t *testing.T) {
	store := newStore(t, Options{})
	secret := filepath.Join(t.TempDir(), "cur")
	require.NoError(t, os.MkdirAll(secret, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(secret, "1.M1P1.host"), []byte("secret"), 0o600))

	m := deliver(t, store, "bob", "hello")
	file := path(store, "bob", "cur", "1.M1P1.host:2,S")
	require.NoError(t, os.Symlink(filepath.Join(secret, "1.M1P1.host"), file))
	box := open(t, store, "bob")
	require.Equal(t, []mailbox.Message{m}, list(t, box), "a link is no message")

	// A file is replaced by a link after it was listed.
	require.NoError(t, os.Remove(file))
	put(t, store, "bob", "cur", "1.M1P1.host:2,S", "mine")
	list(t, box)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Symlink(filepath.Join(secret, "1.M1P1.host"), file))
	_, err := box.Open(t.Context(), "1.M1P1.host", mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrTemporary)

	// Directories are replaced by links that lead out.
	for _, place := range []string{"cur", "new", "tmp"} {
		t.Run(place, func(t *testing.T) {
			deliver(t, store, place, "hello")
			require.NoError(t, os.RemoveAll(path(store, place, place)))
			require.NoError(t, os.Symlink(secret, path(store, place, place)))
			if place == "tmp" {
				require.ErrorIs(t, refused(t, store, place, "x"), mailbox.ErrTemporary)
				store.sweepNow(t, place)
			} else {
				for _, err := range open(t, store, place).Messages(t.Context()) {
					require.ErrorIs(t, err, mailbox.ErrTemporary)
				}
			}
		})
	}
	require.FileExists(t, filepath.Join(secret, "1.M1P1.host"))
	files, err := os.ReadDir(secret)
	require.NoError(t, err)
	require.Len(t, files, 1)
}

func TestAHomeThatIsALinkOutOfTheStoreTakesNoMail(t *testing.T) {
	store := newStore(t, Options{})
	outside := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(store.dir, "bob")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "not there"), filepath.Join(store.dir, "alice")))
	for _, user := range []string{"bob", "alice"} {
		require.ErrorIs(t, refused(t, store, user, "hello"), mailbox.ErrTemporary)
	}
	files, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, files, "nothing is made outside")
}
