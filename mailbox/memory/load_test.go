package memory_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

func TestLoadFS(t *testing.T) {
	var store memory.Store
	require.NoError(t, store.LoadFS(t.Context(), fstest.MapFS{
		"README":                     {Data: []byte("no mail")},
		"Alice@Example.org/2.eml":    {Data: []byte("second\n")},
		"Alice@Example.org/1.eml":    {Data: []byte("first\n")},
		"Alice@Example.org/note.txt": {Data: []byte("no mail")},
		"bob/lists/golang.eml":       {Data: []byte("deep\n")},
	}))
	alice := open(t, &store, "alice@example.org")
	require.Equal(t, []string{"m1", "m2"}, ids(t, alice))
	require.Equal(t, "first\r\n", content(t, alice, "m1"))
	require.Equal(t, "second\r\n", content(t, alice, "m2"))
	require.Equal(t, "deep\r\n", content(t, open(t, &store, "bob"), "m3"))
}

func TestLoadFSNamesTheFileThatIsWrong(t *testing.T) {
	var store memory.Store
	err := store.LoadFS(t.Context(), fstest.MapFS{"1.eml": {}})
	require.EqualError(t, err, "memory: load 1.eml: the file is in no user's directory")

	store.MaxMessageSize = 3
	err = store.LoadFS(t.Context(), fstest.MapFS{"bob/1.eml": {Data: []byte("too large")}})
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
	require.ErrorContains(t, err, "bob/1.eml")

	require.Error(t, store.LoadFS(t.Context(), brokenFS{}))
}

type brokenFS struct{ fstest.MapFS }

func (brokenFS) ReadDir(string) ([]fs.DirEntry, error) { return nil, errors.New("disk broke") }

// openFS counts the files that are open.
type openFS struct {
	fstest.MapFS
	open int
}

func (f *openFS) Open(name string) (fs.File, error) {
	file, err := f.MapFS.Open(name)
	if err == nil {
		f.open++
	}
	return openFile{file, f}, err
}

type openFile struct {
	fs.File
	in *openFS
}

func (f openFile) Close() error { f.in.open--; return f.File.Close() }

func TestLoadFSClosesItsFiles(t *testing.T) {
	var store memory.Store
	files := &openFS{MapFS: fstest.MapFS{"bob/1.eml": {Data: []byte("x")}, "bob/2.eml": {Data: []byte("y")}}}
	require.NoError(t, store.LoadFS(t.Context(), files))
	require.Zero(t, files.open)
}
