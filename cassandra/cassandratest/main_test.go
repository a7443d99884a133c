package cassandratest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/paxostest"
)

func TestMain(m *testing.M) {
	child.Main("victim", victim)
	os.Exit(paxostest.MainNoLeaks(m))
}

// eventually waits for a condition, for a minute at most.
func eventually(t *testing.T, condition func() bool, message string) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 20*time.Millisecond, message)
}

// alive reports whether a process with that id runs.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// nodePIDs returns the processes of a cluster's nodes, from the keeper's own
// list.
func nodePIDs(t *testing.T, dir string) []int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "processes.json"))
	require.NoError(t, err)
	var processes []struct{ PID int }
	require.NoError(t, json.Unmarshal(data, &processes))
	var pids []int
	for _, p := range processes {
		require.True(t, alive(p.PID))
		pids = append(pids, p.PID)
	}
	require.NotEmpty(t, pids)
	return pids
}

// keeperPID returns the process of the keeper: the parent of the nodes.
func keeperPID(t *testing.T, node int) int {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", node))
	require.NoError(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var pid int
		if n, _ := fmt.Sscanf(lines.Text(), "PPid: %d", &pid); n == 1 {
			return pid
		}
	}
	t.Fatal("no parent")
	return 0
}

func noneAlive(pids []int) func() bool {
	return func() bool {
		for _, pid := range pids {
			if alive(pid) {
				return false
			}
		}
		return true
	}
}

// recorder is a test that another test watches: it notes how it ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Skip(args ...any)  { r.skipped = fmt.Sprint(args...); panic(r) }
func (r *recorder) Fatal(args ...any) { r.failed = fmt.Sprint(args...); panic(r) }
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	panic(r)
}

// watch runs Start as a test that may skip or fail.
func watch(t *testing.T, topology cassandratest.Topology) (cluster *cassandratest.Cluster, r *recorder) {
	t.Helper()
	if testing.Short() {
		t.Skip("Start skips with -short, before anything else")
	}
	r = &recorder{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
	}()
	return cassandratest.Start(r, topology), r
}
