package main

import (
	"errors"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that is too busy to accept connections keeps its socket. Other
// systems answer there as if nobody listened.
func TestUnixSocketOfABusyProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy")
	listenWithoutAccepting(t, path)
	_, err := listenUnix(path)
	require.ErrorContains(t, err, "another program seems to listen on "+path+": stop it, remove the file, or take another path (")
	require.FileExists(t, path)
}

// listenWithoutAccepting listens on a Unix socket, until no connection more can
// wait there.
func listenWithoutAccepting(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	require.NoError(t, syscall.Listen(fd, 0))
	for {
		conn, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
	}
}
