package maildir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// makeDurableDir is [os.MkdirAll], and syncs the entries that lead to dir. The
// entry of a directory that is there already is synced too, because the process
// that made it may have been killed before it did that.
func (s *Store) makeDurableDir(dir string) error {
	info, err := os.Stat(dir)
	parent := filepath.Dir(dir)
	switch {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("it is a file")}
	case err == nil:
		file, err := os.Open(parent)
		if err != nil { // nothing that this process could have made
			return nil
		}
		return s.syncAndClose(file)
	case !notThere(err):
		return err
	}
	if err := s.makeDurableDir(parent); err != nil {
		return err
	}
	err = os.Mkdir(dir, 0o700)
	if mode := s.options.DirMode; err == nil && mode != 0 {
		err = os.Chmod(dir, mode)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	file, err := os.Open(parent)
	if err != nil {
		return err
	}
	return s.syncAndClose(file)
}

// syncDir makes the entries of a directory durable.
func (s *Store) syncDir(root *os.Root, name string) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	return s.syncAndClose(file)
}

// syncAndClose syncs a directory. A file system that cannot do that (some FUSE
// and network file systems) is reported once, and holds mail all the same.
func (s *Store) syncAndClose(dir *os.File) error {
	defer dir.Close()
	if runtime.GOOS == "windows" { // it cannot sync a directory
		return nil
	}
	err := s.sync(dir)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		s.unsyncable.Do(func() {
			s.report(fmt.Errorf("maildir: %w: the file system cannot sync directories, so that mail may be lost if the machine stops: %w", errors.ErrUnsupported, err))
		})
		return nil
	}
	return err
}

// report calls Options.OnError.
func (s *Store) report(err error) {
	if s.options.OnError == nil {
		return
	}
	defer func() { _ = recover() }() // there is nowhere to report it
	s.options.OnError(err)
}

// readdirChunk is how many entries of a directory are read at a time. In the
// form that package os gives them, they take much memory.
const readdirChunk = 1024

// openDir opens root's own directory for reading. A directory that was opened
// through an [os.Root] stats every entry that it reads (as of Go 1.26). One that
// was opened by its path does not, so it is used if it is the same directory.
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
