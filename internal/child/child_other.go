//go:build !unix

package child

import "os/exec"

const supported = false

// Bind does nothing here: if this process is killed, the command outlives it.
func Bind(*exec.Cmd) {}

// KillGroup kills a command, but not the processes that it has started.
func KillGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func detach(*exec.Cmd) {}
