package maildir

import (
	"os"
	"path/filepath"
	"time"
)

const (
	// staleAfter is when a file in tmp belongs to nobody any more, by the
	// Maildir specification.
	staleAfter = 36 * time.Hour

	sweepEvery = 12 * time.Hour
)

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
