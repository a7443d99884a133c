//go:build !unix

package cassandratest

import (
	"os"
	"syscall"
)

const (
	sigStop = syscall.SIGTERM
	sigCont = syscall.SIGTERM
	sigTerm = syscall.SIGTERM
)

func tryLock(string) (*os.File, error) { return nil, errNotHere }
func runtimeDir() (string, error)      { return "", errNotHere }
func startTime(int) string             { return "" }
