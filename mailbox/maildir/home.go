package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// makeHome opens the directory of a user, which it makes if it is not there.
// Before the first delivery of this process into it, the entries that lead to it
// are synced, even if another process made them: it may have been killed before
// it synced them.
func (s *Store) makeHome(dir string) (*os.Root, error) {
	if _, known := s.homes.get(dir); known {
		home, err := s.openHome(dir)
		if err == nil || !notThere(err) {
			return home, err
		}
	}
	home, err := s.openHome(".")
	made := ""
	for name := range strings.SplitSeq(dir, "/") {
		if err != nil {
			return nil, err
		}
		made = strings.TrimPrefix(made+"/"+name, "/")
		home, err = s.makeSubdirs(home, name)
		if err == nil {
			_ = home.Close()
			home, err = s.openHome(made)
		}
	}
	if err == nil {
		home, err = s.makeSubdirs(home, "tmp", "new", "cur")
	}
	if err != nil {
		return nil, err
	}
	s.homes.put(dir, time.Time{})
	return home, nil
}

// openHome opens a directory of the store.
func (s *Store) openHome(dir string) (*os.Root, error) {
	if s.options.FollowLinks {
		return os.OpenRoot(filepath.Join(s.dir, filepath.FromSlash(dir)))
	}
	home, err := s.root.OpenRoot(dir)
	if err != nil && !notThere(err) && s.passesLink(dir) {
		err = fmt.Errorf("%w: a symbolic link may lead out of the store only if Options.FollowLinks is set", err)
	}
	return home, err
}

// passesLink reports whether a path of the store has a symbolic link in it.
func (s *Store) passesLink(dir string) bool {
	for end := range dir + "/" {
		if end < len(dir) && dir[end] != '/' {
			continue
		}
		info, err := s.root.Lstat(dir[:end])
		if err != nil || info.Mode().Type() == fs.ModeSymlink {
			return err == nil
		}
	}
	return false
}

// makeSubdirs makes directories in home, if they are not there, and syncs it. It
// returns home, which it closes on an error.
func (s *Store) makeSubdirs(home *os.Root, names ...string) (*os.Root, error) {
	for _, name := range names {
		err := home.Mkdir(name, 0o700)
		if mode := s.options.DirMode; err == nil && mode != 0 {
			err = home.Chmod(name, mode)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			_ = home.Close()
			return nil, err
		}
	}
	if err := s.syncDir(home, "."); err != nil {
		_ = home.Close()
		return nil, err
	}
	return home, nil
}
