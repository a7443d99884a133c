package maildir

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestAnyStepOfADeliveryMayFail(t *testing.T) {
	for _, failing := range []step{stepCreated, stepWrite, stepWritten, stepSynced, stepRenamed, stepListed} {
		t.Run(string(failing), func(t *testing.T) {
			store := newStore(t, Options{})
			broken := errors.New("the disk broke")
			store.breakAt(func(now step) error {
				if now == failing {
					return broken
				}
				return nil
			})
			delivery := to("bob", "alice")
			delivery.UIDL = "uid-1"
			for _, result := range appendTo(t, store, delivery, strings.Repeat("a line\n", 20_000)) {
				require.ErrorIs(t, result.Err, mailbox.ErrTemporary)
				require.ErrorIs(t, result.Err, broken)
				require.Zero(t, result.Message)
			}
			store.mend()
			for _, user := range []string{"bob", "alice"} {
				require.Empty(t, listed(t, store, user), "nothing is visible")
				require.Empty(t, filesIn(t, store, user, "tmp"), "nothing is left")
			}
			deliver(t, store, "bob", "it works again")
		})
	}
}

func TestTheSecondRecipientIsServedWhenTheFirstCannotBe(t *testing.T) {
	store := newStore(t, Options{})
	deliver(t, store, "bob", "hello")
	require.NoError(t, os.RemoveAll(path(store, "bob")))
	require.NoError(t, os.WriteFile(path(store, "bob"), nil, 0o600), "a file where the directory should be")
	results := appendTo(t, store, to("bob", "alice"), "hello")
	require.ErrorIs(t, results[0].Err, mailbox.ErrTemporary)
	require.NoError(t, results[1].Err)
	require.Equal(t, "hello\r\n", read(t, open(t, store, "alice"), results[1].ID))
	for _, err := range open(t, store, "bob").Messages(t.Context()) {
		require.ErrorIs(t, err, mailbox.ErrTemporary, "not an empty maildrop")
	}
}

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

func TestAFullDiskIsATemporaryErrorAndLosesNothing(t *testing.T) {
	store := newStoreIn(t, smallDisk(t, "512k"), Options{})
	body := strings.Repeat("0123456789abcdef\r\n", 5000) // 90,000 octets
	var kept []string
	for range 20 {
		results := appendTo(t, store, to("bob", "alice"), body)
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
	require.ErrorIs(t, appendTo(t, store, to("bob"), "x")[0].Err, mailbox.ErrTemporary)
	require.ErrorIs(t, appendTo(t, store, to("alice"), "x")[0].Err, mailbox.ErrTemporary)

	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob"))
	deliver(t, store, "alice", "x")
}

func TestAnUnwritableMaildropIsATemporaryError(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere; the read-only disk stands in")
	}
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "hello")
	for _, place := range []string{"new", "tmp"} {
		dir := path(store, "bob", place)
		require.NoError(t, os.Chmod(dir, 0o500))
		require.ErrorIs(t, appendTo(t, store, to("bob"), "x")[0].Err, mailbox.ErrTemporary)
		require.NoError(t, os.Chmod(dir, 0o700))
	}
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob"))
	require.Empty(t, filesIn(t, store, "bob", "tmp"))

	require.NoError(t, os.Chmod(path(store, "bob", "new"), 0))
	for _, err := range open(t, store, "bob").Messages(t.Context()) {
		require.ErrorIs(t, err, mailbox.ErrTemporary, "not an empty maildrop")
	}
	require.NoError(t, os.Chmod(path(store, "bob", "new"), 0o700))
}
