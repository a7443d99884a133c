package cassandratest

import (
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// logsKept is how long the logs of a failed test stay.
const logsKept = 24 * time.Hour

var clusterKey = regexp.MustCompile(`^[0-9a-f]{12}$`)

// tidy removes what clusters have left more than a day ago: logs, and the
// sockets and locks of keepers that were killed.
func tidy(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || !clusterKey.MatchString(e.Name()) || time.Since(info.ModTime()) < logsKept {
			continue
		}
		path := filepath.Join(base, e.Name())
		lock, err := tryLock(path + ".lock")
		if err != nil {
			continue // its keeper runs
		}
		os.RemoveAll(path)
		os.Remove(path + ".sock")
		os.Remove(path + ".lock")
		lock.Close()
	}
}
