package cassandratest

import "syscall"

// detached is for the keeper: a session of its own, so that neither ^C in a
// terminal nor the end of the test's process group reaches it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// bound is for a node: the kernel ends it when the keeper ends, however that
// ends. (The signal is tied to the thread that started the node: see thread.)
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
