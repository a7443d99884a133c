package cassandratest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// process names a process for good: a later process may have the same id.
type process struct {
	Node    string
	PID     int
	Started string // see startTime
}

// errLocked means that another process holds the lock.
var errLocked = errors.New("locked by another process")

func (s spec) statePath() string { return filepath.Join(s.Dir, "processes.json") }

// writeState records the processes, for a later keeper.
func (f *fleet) writeState() {
	f.state.Lock()
	defer f.state.Unlock()
	var all []process
	for _, n := range f.nodes {
		if pid := n.pid(); pid != 0 {
			all = append(all, process{n.Name, pid, startTime(pid)})
		}
	}
	writeJSON(f.spec.statePath(), all)
}

// endLeftovers kills the nodes of a keeper that was itself killed, if the
// kernel has not done so. It kills only processes that the state file names and
// that started when it says.
func endLeftovers(s spec) {
	data, err := os.ReadFile(s.statePath())
	if err != nil {
		return
	}
	var all []process
	if json.Unmarshal(data, &all) != nil {
		return
	}
	for _, p := range all {
		// The handle first, then the check: another process cannot come in
		// between.
		proc, err := os.FindProcess(p.PID)
		if err != nil {
			continue
		}
		if p.Started != "" && startTime(p.PID) == p.Started {
			proc.Kill()
		}
		proc.Release()
	}
	os.Remove(s.statePath())
}
