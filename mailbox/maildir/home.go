package maildir

import (
	"errors"
	"io/fs"
	"os"
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
func (s *Store) openHome(dir string) (*os.Root, error) { return s.root.OpenRoot(dir) }

// makeSubdirs makes directories in home, if they are not there, and syncs it. It
// returns home, which it closes on an error.
func (s *Store) makeSubdirs(home *os.Root, names ...string) (*os.Root, error) {
	for _, name := range names {
		if err := home.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
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
