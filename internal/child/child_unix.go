//go:build unix

package child

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

const supported = true

// Bind puts a command into a process group of its own. On Linux and FreeBSD the
// kernel kills it when this process ends, even if this process is killed. It
// does so already when the thread ends that has started the command: a program
// that ends threads (see [runtime.LockOSThread]) must start it on one that
// stays.
func Bind(cmd *exec.Cmd) {
	attributes(cmd).Setpgid = true
	killWithParent(cmd.SysProcAttr)
}

// KillGroup kills a command that is bound, and the processes that it has
// started. The error is [os.ErrProcessDone] if none of them is left.
func KillGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

func detach(cmd *exec.Cmd) { attributes(cmd).Setsid = true }

func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	return cmd.SysProcAttr
}
