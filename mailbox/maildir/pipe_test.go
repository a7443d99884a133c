//go:build unix && !aix && !illumos && !solaris

package maildir

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestAPipeInPlaceOfAMessageDoesNotHang(t *testing.T) {
	for _, name := range []string{"1.M1.host:2,S", "1.M1.host,S=0,W=0:2,S"} {
		store := newStore(t, Options{})
		put(t, store, "bob", "cur", name, "")
		box := open(t, store, "bob")
		require.NoError(t, syscall.Mkfifo(path(store, "bob", "cur", "2.M1.pipe"), 0o600))
		require.Equal(t, []string{"1.M1.host"}, ids(list(t, box)), "a pipe is no message")
		file := path(store, "bob", "cur", name)
		require.NoError(t, os.Remove(file))
		require.NoError(t, syscall.Mkfifo(file, 0o600))
		_, err := box.Open(t.Context(), "1.M1.host", mailbox.OpenOptions{})
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}
}

func TestAPipeInPlaceOfAListOfUniqueIDsDoesNotHang(t *testing.T) {
	store := newStore(t, Options{UIDL: DovecotUIDL("dovecot-uidlist")})
	put(t, store, "bob", "cur", "1.M1.host:2,S", "1234\n")
	require.NoError(t, syscall.Mkfifo(path(store, "bob", "dovecot-uidlist"), 0o600))
	for _, err := range open(t, store, "bob").Messages(t.Context()) {
		require.ErrorContains(t, err, "not a regular file")
	}
}
