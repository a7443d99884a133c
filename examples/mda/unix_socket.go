package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// unixPrefix begins the address of a Unix socket.
const unixPrefix = "unix:"

// listenUnix listens on a Unix socket. Its file is removed when the listener is
// closed; that of a program which was killed is taken over.
func listenUnix(path string) (net.Listener, error) {
	listener, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		listener, err = net.Listen("unix", path)
	}
	switch {
	case errors.Is(err, syscall.EINVAL):
		return nil, fmt.Errorf("%w: a path has 100 octets or so at most", err)
	case err != nil:
		return nil, err
	}
	// As on loopback, every user of this machine may connect; the permissions of
	// the directory are there to forbid it.
	if err := os.Chmod(path, 0o666); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// removeStale removes a socket that no program has open, and nothing else. One
// whose program is too busy to answer is not stale.
func removeStale(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is there already, and is not a socket: take another path", path)
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("another program listens on %s: stop it, or take another path", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, os.ErrNotExist):
		return nil
	}
	return fmt.Errorf("another program seems to listen on %s: stop it, remove the file, or take another path (%w)", path, err)
}
