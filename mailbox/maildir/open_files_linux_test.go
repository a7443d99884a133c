package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestNoFileStaysOpen(t *testing.T) {
	openFiles := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(files)
	}
	store := newStore(t, Options{Quota: 1 << 20, MaxMessageSize: 1000})
	deliver(t, store, "bob", "hello")
	before := openFiles()
	for i := range 20 {
		deliver(t, store, "bob", "hello")
		delivery := mailbox.To("bob", "alice", "\xff", "carol")
		delivery.UIDL = "uid-1"
		appendTo(t, store, delivery, strings.Repeat("x", 100*i))
		box, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
		require.NoError(t, err)
		m := list(t, box)[0]
		read(t, box, m.ID)
		require.NoError(t, os.Mkdir(filepath.Join(store.dir, "bob", "cur", "1.M1.directory"), 0o700))
		_, err = box.Open(t.Context(), "no.such.message", mailbox.OpenOptions{})
		require.ErrorIs(t, err, mailbox.ErrNotFound)
		require.NoError(t, box.Delete(t.Context(), []string{m.ID}))
		require.NoError(t, box.Close())
		require.NoError(t, os.Remove(filepath.Join(store.dir, "bob", "cur", "1.M1.directory")))
	}
	require.Equal(t, before, openFiles())
}

func TestNoFileIsOpenedAfterTheRename(t *testing.T) {
	store := newStore(t, Options{})
	deliver(t, store, "bob", "hello")
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	restore := func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }
	defer restore()
	store.fault = func(now step) error {
		if now != stepRenamed {
			return nil
		}
		return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1, Max: limit.Max})
	}
	_, err := mailbox.Deliver(t.Context(), store, mailbox.To("bob"), strings.NewReader("hello"))
	restore()
	require.NoError(t, err)
	store.fault = nil
	require.Len(t, listed(t, store, "bob"), 2)
}
