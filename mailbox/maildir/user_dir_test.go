package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
)

func TestADirectoryIsReadableForAnOrdinaryName(t *testing.T) {
	for user, dir := range map[string]string{
		"bob":                 "bob",
		"bob@example.org":     "bob@example.org",
		"bob+lists@x-y.z_1=2": "bob+lists@x-y.z_1=2",
		"..":                  "%2e%2e",
		".":                   "%2e",
		".hidden.":            "%2ehidden%2e",
		"../x":                "%2e.%2fx",
		"a/b":                 "a%2fb",
		`a\b`:                 "a%5cb",
		"a%2fb":               "a%252fb",
		"jürgen":              "j%c3%bcrgen",
		"a b:c":               "a%20b%3ac",
	} {
		require.Equal(t, dir, DirName(user), "%q", user)
	}
}

func TestNoTwoUsersShareADirectory(t *testing.T) {
	name := rapid.OneOf(
		rapid.StringMatching(`[a-c./%\\:2fe]{1,6}`),
		rapid.StringMatching(`(%|%%|x|ü|/){90,110}`),
		rapid.StringN(1, 320, 320),
	)
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		dir := DirName(a)
		require.NotEmpty(t, dir)
		require.LessOrEqual(t, len(dir), 255)
		require.True(t, filepath.IsLocal(dir), dir)
		require.Equal(t, dir, filepath.Base(dir), "one element")
		require.False(t, strings.HasPrefix(dir, "."))
		require.Equal(t, strings.ToLower(dir), dir, "a file system that folds case does not fold two users")
		if a != b {
			require.NotEqual(t, dir, DirName(b))
		}
	})
}

func TestLongNamesEndInADigest(t *testing.T) {
	long := strings.Repeat("x", mailbox.MaxUserLength-1)
	require.NotEqual(t, DirName(long+"a"), DirName(long+"b"))
	require.Equal(t, strings.Repeat("x", 200), DirName(strings.Repeat("x", 200)))
	require.Contains(t, DirName(strings.Repeat("x", 201)), "%%")
	require.NotEqual(t, DirName(long+"a"), DirName(DirName(long+"a")), "a user cannot be called like another's directory")
}

func TestHostileNamesStayInTheStore(t *testing.T) {
	base := t.TempDir()
	store := newStoreIn(t, filepath.Join(base, "mail"), Options{})
	users := []string{"../x", "a/b", ".", "..", "...", "/etc/passwd", `..\x`, "new", "tmp", "con", "x:2,S", "%2e", "ÅSA", strings.Repeat("/", 320), strings.Repeat("é", 160), " "}
	for _, user := range users {
		deliver(t, store, user, "to "+user)
	}
	for _, user := range users {
		box := open(t, store, user)
		messages := list(t, box)
		require.Len(t, messages, 1, "%q", user)
		require.Equal(t, "to "+user+"\r\n", read(t, box, messages[0].ID))
	}
	outside, err := os.ReadDir(base)
	require.NoError(t, err)
	require.Len(t, outside, 1)
	homes, err := os.ReadDir(store.dir)
	require.NoError(t, err)
	require.Len(t, homes, len(users))
	require.Equal(t, ids(listed(t, store, "ÅSA")), ids(listed(t, store, "åsa")))

	for _, user := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 321)} {
		_, err := store.Open(t.Context(), mailbox.Login{User: user})
		require.ErrorIs(t, err, mailbox.ErrNoSuchUser, "%q", user)
		require.ErrorIs(t, refused(t, store, user, "x"), mailbox.ErrNoSuchUser)
	}
}

func FuzzUserDir(f *testing.F) {
	f.Add("bob")
	f.Fuzz(func(t *testing.T, user string) {
		if utf8.ValidString(user) && user != "" {
			_, err := fstest.MapFS{DirName(user): {}}.Open(DirName(user)) // fs.ValidPath
			require.NoError(t, err)
		}
	})
}
