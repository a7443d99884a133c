package cassandratest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// process names a process for good: an id alone passes on to others.
type process struct {
	Node    string
	PID     int
	Started string // as startTime tells
}

// errLocked says that another process holds the lock.
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

// endLeftovers kills the nodes of a keeper that was itself killed, where the
// kernel has not done so already: only processes that the state file names, and
// of those only the ones that started when it says.
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
		// The handle first, then the look: what it names cannot change between.
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
