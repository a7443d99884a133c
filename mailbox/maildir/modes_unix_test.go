//go:build unix

package maildir

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestModes(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	for name, options := range map[string]struct {
		Options
		file, dir fs.FileMode
	}{
		"default":               {Options{Dir: domainDirs}, 0o600, fs.ModeDir | 0o700},
		"whatever the umask is": {Options{Dir: domainDirs, FileMode: 0o660, DirMode: fs.ModeSetgid | 0o770}, 0o660, fs.ModeDir | fs.ModeSetgid | 0o770},
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			store := newStoreIn(t, filepath.Join(base, "var", "mail"), options.Options)
			appended := appendTo(t, store, mailbox.To("bob@example.org", "alice@example.org"), "hello")
			require.NoError(t, appended[0].Err)
			require.NoError(t, appended[1].Err)
			count := 0
			require.NoError(t, filepath.WalkDir(filepath.Join(base, "var"), func(path string, entry fs.DirEntry, err error) error {
				require.NoError(t, err)
				info, err := entry.Info()
				require.NoError(t, err)
				count++
				if entry.IsDir() {
					require.Equal(t, options.dir, info.Mode(), path)
				} else {
					require.Equal(t, options.file, info.Mode(), path)
				}
				return nil
			}))
			require.Equal(t, 2+1+2*5+2, count, "the store, the domain, the Maildirs, the messages")
		})
	}
}

func TestModesOfWhatIsThereAreLeftAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	store := newStoreIn(t, dir, Options{})
	deliver(t, store, "bob", "hello")
	store = newStoreIn(t, dir, Options{DirMode: 0o770, FileMode: 0o660})
	deliver(t, store, "bob", "hello")
	info, err := os.Stat(path(store, "bob"))
	require.NoError(t, err)
	require.Equal(t, fs.ModeDir|0o700, info.Mode())
}
