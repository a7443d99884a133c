package maildir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// domainDirs is the layout domain/user/Maildir.
func domainDirs(user string) (string, error) {
	name, domain, found := strings.Cut(user, "@")
	if !found {
		return "", mailbox.ErrNoSuchUser
	}
	return DirName(domain) + "/" + DirName(name) + "/Maildir", nil
}

func TestDirHasTheLayoutOfTheHost(t *testing.T) {
	store := newStore(t, Options{Dir: domainDirs, Quota: 1 << 20})
	bob := filepath.Join(store.dir, "example.org", "bob", "Maildir")
	require.Empty(t, listed(t, store, "Bob@Example.org"))
	require.NoDirExists(t, bob)

	m := deliver(t, store, "Bob@Example.org", "hello\r\n")
	files, err := os.ReadDir(filepath.Join(bob, "new"))
	require.NoError(t, err)
	require.Len(t, files, 1)

	deliver(t, store, "alice@example.org", "hello")
	deliverUIDL(t, store, "alice@example.org", "uid-1")
	box := open(t, store, "bob@example.org")
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	require.Equal(t, "hello\r\n", read(t, box, m.ID))
	require.NoError(t, box.Delete(t.Context(), []string{m.ID}))
	require.Empty(t, listed(t, store, "bob@example.org"))
	require.Len(t, listed(t, store, "alice@example.org"), 2)

	require.ErrorIs(t, refused(t, store, "bob", "x"), mailbox.ErrNoSuchUser)
	_, err = store.Open(t.Context(), mailbox.Login{User: "bob"})
	require.ErrorIs(t, err, mailbox.ErrNoSuchUser)
	deliver(t, store, "../../x@example.org", "x")
	require.DirExists(t, filepath.Join(store.dir, "example.org", DirName("../../x"), "Maildir"))
}

func TestADirThatIsNotInsideTheStoreIsAnError(t *testing.T) {
	base := t.TempDir()
	for _, dir := range []string{"", ".", "..", "../x", "a/../../x", "a/..", "/etc", "a//b", "a/", "./a"} {
		store := newStoreIn(t, filepath.Join(base, "mail"), Options{Dir: func(string) (string, error) { return dir, nil }})
		require.ErrorContains(t, refused(t, store, "bob", "x"), "inside the store", dir)
		_, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
		require.ErrorContains(t, err, "example.org/bob/Maildir", dir)
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}
	outside, err := os.ReadDir(base)
	require.NoError(t, err)
	require.Len(t, outside, 1)
	made, err := os.ReadDir(filepath.Join(base, "mail"))
	require.NoError(t, err)
	require.Empty(t, made)
}

func TestADirThatCannotBeFoundOutIsATemporaryError(t *testing.T) {
	down := errors.New("the directory server is down")
	store := newStore(t, Options{Dir: func(string) (string, error) { return "", down }})
	err := refused(t, store, "bob", "x")
	require.ErrorIs(t, err, down)
	require.ErrorIs(t, err, mailbox.ErrTemporary)
}

func TestAHomeMayBeALinkOutOfTheStoreIfTheHostAllowsIt(t *testing.T) {
	for name, link := range map[string]string{"the Maildir": "example.org/bob/Maildir", "what leads to it": "example.org"} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			dir := filepath.Join(t.TempDir(), "mail")
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, link)), 0o700))
			require.NoError(t, os.Symlink(outside, filepath.Join(dir, link)))

			store := newStoreIn(t, dir, Options{Dir: domainDirs})
			err := refused(t, store, "bob@example.org", "x")
			require.ErrorContains(t, err, "Options.FollowLinks")
			for _, err := range open(t, store, "bob@example.org").Messages(t.Context()) {
				require.ErrorContains(t, err, "Options.FollowLinks")
			}
			files, err := os.ReadDir(outside)
			require.NoError(t, err)
			require.Empty(t, files)

			store = newStoreIn(t, dir, Options{Dir: domainDirs, FollowLinks: true})
			m := deliver(t, store, "bob@example.org", "hello")
			require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob@example.org"))
			files, err = os.ReadDir(outside)
			require.NoError(t, err)
			require.NotEmpty(t, files)

			// Inside the Maildir a link out stays an error.
			home := filepath.Join(dir, "example.org", "bob", "Maildir")
			require.NoError(t, os.RemoveAll(filepath.Join(home, "cur")))
			require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(home, "cur")))
			for _, err := range open(t, store, "bob@example.org").Messages(t.Context()) {
				require.ErrorIs(t, err, mailbox.ErrTemporary)
			}
		})
	}
}

// A link that stays inside the store needs no permission.
func TestAHomeMayBeALinkWithinTheStore(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "hello")
	require.NoError(t, os.Symlink("bob", filepath.Join(store.dir, "robert")))
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "robert"))
	deliver(t, store, "robert", "hello")
	require.Len(t, listed(t, store, "bob"), 2)
}

func TestWrongModesAreErrors(t *testing.T) {
	for _, options := range []Options{
		{FileMode: 0o400}, {FileMode: fs.ModeSetgid | 0o660}, {FileMode: 0o1660},
		{DirMode: 0o600}, {DirMode: 0o2770}, {DirMode: fs.ModeDir | 0o770},
	} {
		dir := filepath.Join(t.TempDir(), "mail")
		_, err := New(dir, options)
		require.ErrorContains(t, err, "such as")
		require.NoDirExists(t, dir)
	}
}
