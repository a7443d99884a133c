//go:build !unix

package cassandratest

import (
	"errors"
	"os"
	"syscall"
)

const (
	sigStop = syscall.SIGTERM
	sigCont = syscall.SIGTERM
	sigTerm = syscall.SIGTERM
)

var (
	errLocked  = errors.New("locked by another process")
	errNotHere = errors.New("cassandratest starts nodes on Linux and macOS only: set POPCASK_CASSANDRA to a running cluster")
)

func tryLock(string) (*os.File, error) { return nil, errNotHere }
func runtimeDir() (string, error)      { return "", errNotHere }
func startTime(int) string             { return "" }
func detached() *syscall.SysProcAttr   { return nil }
func bound() *syscall.SysProcAttr      { return nil }
