package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/child"
)

// launchWithFiles is launch with a limit of open files.
func launchWithFiles(t *testing.T, files int, args ...string) *process {
	t.Helper()
	command := exec.Command("sh", "-c", `ulimit -n "$0" && exec "$@"`, fmt.Sprint(files), program(t))
	child.Bind(command)
	p := launchBy(t, command, args...)
	p.patience = patienceInFlood
	return p
}

// path is a file of /proc that is about the process.
func (p *process) path(name string) string {
	return filepath.Join("/proc", fmt.Sprint(p.Process.Pid), name)
}

// files is how many files the process has open, 0 after its end.
func (p *process) files(t *testing.T) int {
	entries, err := os.ReadDir(p.path("fd"))
	if err != nil {
		t.Error(err)
	}
	return len(entries)
}

// status is a number of /proc/PID/status.
func (p *process) status(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(p.path("status"))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "\n"+name+":")
	require.True(t, found, name)
	var n int
	_, err = fmt.Sscan(after, &n)
	require.NoError(t, err)
	return n
}

// processorTime is how long the threads of a process ran, and how long they
// waited for a processor that something else had, both in nanoseconds.
type processorTime struct{ ran, waited float64 }

func (p *process) processorTime(t *testing.T) processorTime {
	t.Helper()
	threads, err := filepath.Glob(p.path("task/*/schedstat"))
	require.NoError(t, err)
	var sum processorTime
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		require.NoError(t, err)
		var one processorTime
		_, err = fmt.Sscan(string(text), &one.ran, &one.waited)
		require.NoError(t, err)
		sum.ran += one.ran
		sum.waited += one.waited
	}
	return sum
}

// since returns which share of the time the process had the processors that it
// wanted: the less, the busier the machine is with other things.
func (a processorTime) since(b processorTime) float64 {
	return (a.ran - b.ran) / (a.ran - b.ran + a.waited - b.waited)
}
