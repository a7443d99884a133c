package maildir

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/mailbox"
)

// smallDisk mounts a file system of size octets.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("cannot mount a tmpfs: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// coarseDisk mounts a file system that keeps times in whole seconds.
func coarseDisk(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 32<<20))
	if output, err := exec.Command("mkfs.ext4", "-q", "-I", "128", image).CombinedOutput(); err != nil {
		t.Skipf("cannot make an ext4: %v: %s", err, output)
	}
	if output, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount an image: %v: %s", err, output)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

func TestAListingIsWholeWhereTimesAreWholeSeconds(t *testing.T) {
	slow.Test(t, "a file system with times in whole seconds")
	if testing.Short() {
		t.Skip("a listing takes seconds there")
	}
	store := newStoreIn(t, filepath.Join(coarseDisk(t), "mail"), Options{})
	const messages = 3000 // several reads of a directory
	put(t, store, "bob", "new", "1.M0.host", "hello")
	for i := 1; i < messages; i++ {
		put(t, store, "bob", "cur", fmt.Sprintf("1.M%06dP4242.mail.example.org,S=5,W=7:2,", i), "hello")
	}
	for range 2 {
		defer renamer(t, path(store, "bob"))()
	}
	for range 2 {
		require.Len(t, listed(t, store, "bob"), messages)
	}
}

func TestAFullDiskIsATemporaryErrorAndLosesNothing(t *testing.T) {
	store := newStoreIn(t, smallDisk(t, "512k"), Options{})
	body := strings.Repeat("0123456789abcdef\r\n", 5000) // 90,000 octets
	var kept []string
	for range 20 {
		results := appendTo(t, store, mailbox.To("bob", "alice"), body)
		if results[0].Err == nil {
			kept = append(kept, results[0].ID)
		}
		if results[1].Err != nil {
			require.ErrorIs(t, results[1].Err, syscall.ENOSPC)
			require.ErrorIs(t, results[1].Err, mailbox.ErrTemporary)
		}
	}
	require.NotEmpty(t, kept)
	require.Less(t, len(kept), 5)
	require.Empty(t, filesIn(t, store, "bob", "tmp"))
	require.Empty(t, filesIn(t, store, "alice", "tmp"))
	box := open(t, store, "bob")
	require.Equal(t, kept, ids(list(t, box)))
	for _, id := range kept {
		require.Equal(t, body, read(t, box, id))
	}
	require.NoError(t, box.Delete(t.Context(), kept), "deleting works on a full disk")
	deliver(t, store, "bob", body)
}

func TestAReadOnlyDiskCanBeReadAndIsATemporaryErrorToWriteTo(t *testing.T) {
	dir := smallDisk(t, "512k")
	store := newStoreIn(t, dir, Options{})
	m := deliver(t, store, "bob", "hello")
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))

	box := open(t, store, "bob")
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	require.Equal(t, "hello\r\n", read(t, box, m.ID))
	var failed *mailbox.DeleteError
	err := box.Delete(t.Context(), []string{m.ID})
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, failed.Failed[m.ID], syscall.EROFS)
	require.ErrorIs(t, refused(t, store, "bob", "x"), mailbox.ErrTemporary)
	require.ErrorIs(t, refused(t, store, "alice", "x"), mailbox.ErrTemporary)

	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob"))
	deliver(t, store, "alice", "x")
}
