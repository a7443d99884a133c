//go:build !linux

package faults

import (
	"errors"
	"syscall"
)

// There is no WAN here, so that no host is started in a process of its own.

func bound() *syscall.SysProcAttr { return nil }

func (p *process) pause() error  { return errors.ErrUnsupported }
func (p *process) resume() error { return errors.ErrUnsupported }
