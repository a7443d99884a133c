//go:build !unix

package child

import "os/exec"

const supported = false

// Bind does nothing here: a command outlives this process if that is killed.
func Bind(*exec.Cmd) {}

// KillGroup kills a command, and not what it has started.
func KillGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func detach(*exec.Cmd) {}
