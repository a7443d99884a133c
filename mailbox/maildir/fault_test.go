package maildir

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestAnyStepOfADeliveryMayFail(t *testing.T) {
	for _, failing := range []step{stepCreated, stepWrite, stepWritten, stepSynced, stepListed} {
		t.Run(string(failing), func(t *testing.T) {
			store := newStore(t, Options{})
			broken := errors.New("the disk broke")
			store.fault = func(now step) error {
				if now == failing {
					return broken
				}
				return nil
			}
			delivery := mailbox.To("bob", "alice")
			delivery.UIDL = "uid-1"
			for _, result := range appendTo(t, store, delivery, strings.Repeat("a line\n", 20_000)) {
				require.ErrorIs(t, result.Err, mailbox.ErrTemporary)
				require.ErrorIs(t, result.Err, broken)
				require.Zero(t, result.Message)
			}
			store.fault = nil
			for _, user := range []string{"bob", "alice"} {
				require.Empty(t, listed(t, store, user), "nothing is visible")
				require.Empty(t, filesIn(t, store, user, "tmp"), "nothing is left")
			}
			deliver(t, store, "bob", "it works again")
		})
	}
}

// The answer to a rename is lost on its way back from a file server.
func TestARenameThatFailsAndHappenedIsADelivery(t *testing.T) {
	store := newStore(t, Options{})
	store.fault = func(now step) error {
		if now == stepRenamed {
			return errors.New("the server does not answer")
		}
		return nil
	}
	m := deliver(t, store, "bob", "hello")
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob"))
	require.Empty(t, filesIn(t, store, "bob", "tmp"))
}

func TestTheSecondRecipientIsServedWhenTheFirstCannotBe(t *testing.T) {
	store := newStore(t, Options{})
	deliver(t, store, "bob", "hello")
	require.NoError(t, os.RemoveAll(path(store, "bob")))
	require.NoError(t, os.WriteFile(path(store, "bob"), nil, 0o600), "a file where the directory should be")
	results := appendTo(t, store, mailbox.To("bob", "alice"), "hello")
	require.ErrorIs(t, results[0].Err, mailbox.ErrTemporary)
	require.NoError(t, results[1].Err)
	require.Equal(t, "hello\r\n", read(t, open(t, store, "alice"), results[1].ID))
	for _, err := range open(t, store, "bob").Messages(t.Context()) {
		require.ErrorIs(t, err, mailbox.ErrTemporary, "not an empty mailbox")
	}
}

func TestAnUnwritableMailboxIsATemporaryError(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere; the read-only disk stands in")
	}
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "hello")
	for _, place := range []string{"new", "tmp"} {
		dir := path(store, "bob", place)
		require.NoError(t, os.Chmod(dir, 0o500))
		require.ErrorIs(t, refused(t, store, "bob", "x"), mailbox.ErrTemporary)
		require.NoError(t, os.Chmod(dir, 0o700))
	}
	require.Equal(t, []mailbox.Message{m}, listed(t, store, "bob"))
	require.Empty(t, filesIn(t, store, "bob", "tmp"))

	require.NoError(t, os.Chmod(path(store, "bob", "new"), 0))
	for _, err := range open(t, store, "bob").Messages(t.Context()) {
		require.ErrorIs(t, err, mailbox.ErrTemporary, "not an empty mailbox")
	}
	require.NoError(t, os.Chmod(path(store, "bob", "new"), 0o700))
}
