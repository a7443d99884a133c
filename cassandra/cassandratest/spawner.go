package cassandratest

import (
	"os/exec"
	"runtime"
)

// spawner starts processes from one thread that never ends. The kernel ends a
// node when the thread that started it ends, so that thread must be one that
// lives as long as the keeper; Go ends others as it likes.
type spawner chan spawnRequest

type spawnRequest struct {
	cmd  *exec.Cmd
	done chan error
}

func newSpawner() spawner {
	s := make(spawner)
	go func() {
		runtime.LockOSThread()
		for r := range s {
			r.done <- r.cmd.Start()
		}
	}()
	return s
}

func (s spawner) start(cmd *exec.Cmd) error {
	r := spawnRequest{cmd, make(chan error, 1)}
	s <- r
	return <-r.done
}
