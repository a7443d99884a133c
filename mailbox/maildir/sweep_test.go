package maildir

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sweepNow sweeps tmp of a user, whenever it was last swept.
func (s *Store) sweepNow(t testing.TB, user string) {
	t.Helper()
	s.homes.put(DirName(user), time.Time{})
	home, err := s.root.OpenRoot(DirName(user))
	require.NoError(t, err)
	defer home.Close()
	s.sweep(home, DirName(user))
}

func TestStaleFilesInTmpAreRemovedAfter36Hours(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "tmp", "killed yesterday", "half")
	put(t, store, "bob", "tmp", "under way", "half")
	old := time.Now().Add(-37 * time.Hour)
	require.NoError(t, os.Chtimes(path(store, "bob", "tmp", "killed yesterday"), old, old))
	young := time.Now().Add(-35*time.Hour - 30*time.Minute)
	require.NoError(t, os.Chtimes(path(store, "bob", "tmp", "under way"), young, young))
	require.NoError(t, os.Mkdir(path(store, "bob", "tmp", "directory"), 0o700))

	deliver(t, store, "bob", "hello")
	require.Equal(t, []string{"directory", "under way"}, filesIn(t, store, "bob", "tmp"))

	put(t, store, "bob", "tmp", "killed later", "half")
	require.NoError(t, os.Chtimes(path(store, "bob", "tmp", "killed later"), old, old))
	deliver(t, store, "bob", "hello")
	require.Contains(t, filesIn(t, store, "bob", "tmp"), "killed later", "not with every delivery")
	now := time.Now().Add(sweepEvery)
	store.mint.now = func() time.Time { return now }
	deliver(t, store, "bob", "hello")
	require.NotContains(t, filesIn(t, store, "bob", "tmp"), "killed later")
}
