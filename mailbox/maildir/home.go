package maildir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	gomaildir "github.com/emersion/go-maildir"
)

const (
	// staleAfter is when a file in tmp belongs to nobody any more, by the
	// Maildir specification.
	staleAfter = 36 * time.Hour

	sweepEvery = 12 * time.Hour
)

// makeHome opens the directory of a user, which it makes if it is not there.
// Before this process delivers into it for the first time, the entries that lead
// to it are synced, whoever made them: that process may not have come to it.
func (s *Store) makeHome(dir string) (*os.Root, error) {
	if _, known := s.homes.get(dir); known {
		home, err := s.root.OpenRoot(dir)
		if err == nil || !notThere(err) {
			return home, err
		}
	}
	if err := gomaildir.Dir(filepath.Join(s.dir, dir)).Init(); err != nil {
		return nil, err
	}
	home, err := s.root.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(syncDir(home, "."), syncDir(s.root, ".")); err != nil {
		_ = home.Close()
		return nil, err
	}
	s.homes.put(dir, time.Time{})
	return home, nil
}

// sweep removes what was left in tmp by programs that were killed, now and then.
// go-maildir's Clean is not used because it follows symbolic links out of the
// maildrop.
func (s *Store) sweep(home *os.Root, dir string) {
	now := s.mint.now()
	if last, known := s.homes.get(dir); !known || now.Sub(last) < sweepEvery {
		return
	}
	s.homes.put(dir, now)
	tmp, err := home.Open("tmp")
	if err != nil {
		return
	}
	defer tmp.Close()
	for {
		files, err := tmp.ReadDir(readdirChunk)
		for _, file := range files {
			info, err := home.Lstat(filepath.Join("tmp", file.Name()))
			if err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > staleAfter {
				_ = home.Remove(filepath.Join("tmp", file.Name())) // the next sweep finds it
			}
		}
		if err != nil {
			return
		}
	}
}

// makeDurableDir is [os.MkdirAll] that survives a power cut.
func makeDurableDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("it is a file")}
	case !notThere(err):
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDurableDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	file, err := os.Open(parent)
	if err != nil {
		return err
	}
	return syncAndClose(file)
}

// syncDir makes the entries of a directory durable.
func syncDir(root *os.Root, name string) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	return syncAndClose(file)
}

func syncAndClose(dir *os.File) error {
	defer dir.Close()
	if runtime.GOOS == "windows" { // which cannot
		return nil
	}
	return dir.Sync()
}

// readdirChunk is how many entries of a directory are in memory at a time in
// the form that package os gives them.
const readdirChunk = 1024

// openDir opens root's own directory for reading. A file that was opened
// through an [os.Root] stats every entry it reads (Go 1.26); one that was opened
// by its path does not, and is used if it is the same directory.
func openDir(root *os.Root) (*os.File, error) {
	dir, err := os.OpenFile(root.Name(), os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return root.Open(".")
	}
	mine, rootErr := root.Stat(".")
	named, nameErr := dir.Stat()
	if rootErr == nil && nameErr == nil && os.SameFile(mine, named) {
		return dir, nil
	}
	_ = dir.Close()
	return root.Open(".")
}

// readDir calls add with the entries of root's own directory.
func readDir(root *os.Root, add func([]fs.DirEntry) error) error {
	dir, err := openDir(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		files, err := dir.ReadDir(readdirChunk)
		if err := add(files); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
