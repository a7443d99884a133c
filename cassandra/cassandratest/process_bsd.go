//go:build unix && !linux

package cassandratest

import "syscall"

func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// bound nodes outlive a keeper that was killed; the next keeper of the same
// cluster ends them by the state file.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
