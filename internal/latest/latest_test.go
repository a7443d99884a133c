package latest

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// texts is the contents of one file, for tests.
type texts struct {
	*Latest[string]
	file  string
	reads int
	fails error // of the reads to come
	log   bytes.Buffer
}

func newTexts(t *testing.T) *texts {
	x := &texts{file: filepath.Join(t.TempDir(), "file")}
	x.write(t, "first")
	var err error
	x.Latest, err = New(slog.New(slog.NewTextHandler(&x.log, nil)), func() (string, error) {
		x.reads++
		if x.fails != nil {
			return "", x.fails
		}
		text, err := os.ReadFile(x.file)
		return string(text), err
	}, x.file)
	require.NoError(t, err)
	return x
}

func (x *texts) write(t *testing.T, text string) {
	require.NoError(t, os.WriteFile(x.file, []byte(text), 0o600))
}

// A file is read when it has changed, which Get looks at once in a second.
func TestFilesAreReadWhenTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		for range 3 {
			time.Sleep(lookEvery)
			require.Equal(t, "first", x.Get())
		}
		require.Equal(t, 1, x.reads, "it has not changed")

		x.write(t, "second")
		require.Equal(t, "first", x.Get(), "no second has passed")
		time.Sleep(lookEvery)
		require.Equal(t, "second", x.Get())
		require.Equal(t, 2, x.reads)

		// Another file in its place, with the same length and time.
		before, err := os.Stat(x.file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(x.file+".new", []byte("secund"), 0o600))
		require.NoError(t, os.Chtimes(x.file+".new", before.ModTime(), before.ModTime()))
		require.NoError(t, os.Rename(x.file+".new", x.file))
		time.Sleep(lookEvery)
		require.Equal(t, "secund", x.Get())
	})
}

// What cannot be read is logged once, and what was read before stays. It is
// tried again although the file does not change: who may read it may change.
func TestFilesThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		warnings := func() int { return strings.Count(x.log.String(), "level=WARN") }
		require.NoError(t, os.Remove(x.file))
		for range 3 {
			time.Sleep(lookEvery)
			require.Equal(t, "first", x.Get())
		}
		require.Equal(t, 1, warnings(), x.log.String())
		require.Contains(t, x.log.String(), x.file)

		x.fails = errors.New("no permission")
		x.write(t, "second")
		for range 3 {
			time.Sleep(lookEvery)
			require.Equal(t, "first", x.Get())
		}
		require.Equal(t, 2, warnings(), x.log.String())
		x.Again()
		require.Equal(t, 3, warnings(), "whoever asks for it is told")

		x.fails = nil
		time.Sleep(lookEvery)
		require.Equal(t, "second", x.Get())
		require.Equal(t, 3, warnings())
	})
}

// A file that has become a pipe is not read: whoever has the lock would wait for
// its writer, and all others for the lock.
func TestAFileThatBecomesAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		require.NoError(t, os.Remove(x.file))
		require.NoError(t, os.Mkdir(x.file, 0o700)) // which is no regular file either
		for range 3 {
			time.Sleep(lookEvery)
			require.Equal(t, "first", x.Get())
		}
		require.Equal(t, 1, x.reads)
		require.Contains(t, x.log.String(), "is no regular file any more")
		require.NoError(t, os.Remove(x.file))
		x.write(t, "second")
		time.Sleep(lookEvery)
		require.Equal(t, "second", x.Get())
	})
}

// What is no file, such as a pipe, is read once: the next reader might wait for
// ever, and all logins with it.
func TestPipesAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, dir := 0, t.TempDir()
		read := func() (int, error) { reads++; return reads, nil }
		l, err := New(slog.New(slog.DiscardHandler), read, dir)
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(filepath.Join(dir, "x"), 0o700)) // changes its time
		time.Sleep(lookEvery)
		l.Again()
		require.Equal(t, 1, l.Get())
	})
}
