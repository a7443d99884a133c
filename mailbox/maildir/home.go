package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	gomaildir "github.com/emersion/go-maildir"
)

// makeHome opens the directory of a user, which it makes if it is not there.
// Before the first delivery of this process into it, the entries that lead to it
// are synced, even if another process made them: it may have been killed before
// it synced them.
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
