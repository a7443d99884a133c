package maildir

import (
	"os"
	"path/filepath"
	"time"
)

const (
	// staleAfter is the age at which the Maildir specification lets any program
	// remove a file from tmp.
	staleAfter = 36 * time.Hour

	sweepEvery = 12 * time.Hour
)

// sweep removes what programs that were killed have left in tmp. It does nothing
// if the last sweep was less than sweepEvery ago. The Clean of go-maildir is not
// used because it follows symbolic links out of the mailbox.
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
