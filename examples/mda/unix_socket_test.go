package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A second program does not take the socket of one that runs; it takes that of
// one that was killed. A program that is told to stop leaves none.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lmtp")
	args := []string{"-store", "memory", "-lmtp", unixPrefix + path}
	p := launch(t, args...)
	require.Equal(t, unixPrefix+path, p.address["lmtp"])

	out, err := exec.Command(program(t), append(args, "-pop3", "127.0.0.1:0", "-smtp", "")...).CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Equal(t, "mda: -lmtp: another program listens on "+path+": stop it, or take another path\n", string(out))
	require.Contains(t, p.deliver(t, "demo@x", "Subject: one\r\n\r\n"), delivered)

	require.NoError(t, p.Process.Kill())
	p.Wait()
	require.FileExists(t, path)
	p = launch(t, args...)
	require.Contains(t, p.deliver(t, "demo@x", "Subject: two\r\n\r\n"), delivered)

	require.Zero(t, p.end(t, syscall.SIGTERM), p.stderr.String())
	require.NoFileExists(t, path)
}

// Only a socket is removed to make room.
func TestUnixSocketThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	for path, message := range map[string]string{
		file:                               file + " is there already, and is not a socket: take another path",
		filepath.Join(dir, "none", "lmtp"): "no such file or directory",
		"/" + strings.Repeat("long/", 30):  "a path has 100 octets or so at most",
	} {
		_, err := listenUnix(path)
		require.ErrorContains(t, err, message)
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "text", string(text))
}
