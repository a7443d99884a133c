//go:build unix

package cassandratest

import (
	"context"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/child"
)

func init() { child.Main("wait", func(struct{}) error { select {} }) }

// A process id alone is not enough to be killed for.
func TestLeftoversAreEndedByIdAndStartTime(t *testing.T) {
	s := spec{Dir: t.TempDir()}
	start := func() (*exec.Cmd, chan struct{}) {
		cmd := child.ForTest(context.Background(), t, "wait", nil)
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		t.Cleanup(func() { cmd.Process.Kill(); <-ended })
		return cmd, ended
	}
	ours, oursEnded := start()
	stranger, strangerEnded := start()
	require.NotEmpty(t, startTime(ours.Process.Pid))
	require.NoError(t, writeJSON(s.statePath(), []process{
		{"dc1-1", stranger.Process.Pid, "1"}, // whose id was a node's, in an earlier life
		{"dc1-2", ours.Process.Pid, startTime(ours.Process.Pid)},
	}))
	endLeftovers(s)
	<-oursEnded
	select {
	case <-strangerEnded:
		t.Fatal("a process was killed that is not ours")
	default:
	}
	require.NotEmpty(t, startTime(stranger.Process.Pid))
	require.Empty(t, startTime(ours.Process.Pid))
	require.NoFileExists(t, s.statePath())
}
