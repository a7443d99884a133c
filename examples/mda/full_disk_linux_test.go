package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A full disk is a temporary failure, and leaves nothing of the message behind.
func TestDiskFull(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("cannot mount a small disk:", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, 0)) })
	dir := filepath.Join(disk, "mail")

	p := launch(t, "-dir", dir, "-trace=false")
	welcome := p.fetch(t)
	large := strings.Repeat(strings.Repeat("x", 78)+"\r\n", 20_000) // 1.6 MB
	require.Equal(t, "452 4.3.1 <demo@x> Disk is full, try again later\r\n", p.deliver(t, "demo@x", large))
	require.Equal(t, welcome, p.fetch(t))
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		if !entry.IsDir() {
			require.Equal(t, "new", filepath.Base(filepath.Dir(path)), path)
		}
		return nil
	}))

	require.Contains(t, p.deliver(t, "demo@x", "small\r\n"), delivered)
	require.Equal(t, append(welcome, "small\n"), p.fetch(t))
	require.Zero(t, p.end(t, syscall.SIGTERM))
}
