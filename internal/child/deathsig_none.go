//go:build unix && !linux && !freebsd

package child

import "syscall"

func killWithParent(*syscall.SysProcAttr) {}
