//go:build !unix

package faults

import "errors"

// There is no WAN here, so that no host is started in a process of its own.

func (p *process) pause() error  { return errors.ErrUnsupported }
func (p *process) resume() error { return errors.ErrUnsupported }
