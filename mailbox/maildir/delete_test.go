package maildir

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestDeleteRemovesTheNamedAndNoOthers(t *testing.T) {
	store := newStore(t, Options{})
	var all []string
	for range 5 {
		all = append(all, deliver(t, store, "bob", "hello").ID)
	}
	box := open(t, store, "bob")
	list(t, box)
	require.NoError(t, box.Delete(t.Context(), []string{all[1], all[3], all[1], "no.such.message"}))
	require.Equal(t, []string{all[0], all[2], all[4]}, ids(listed(t, store, "bob")))
	_, err := box.Open(t.Context(), all[1], mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.NoError(t, box.Delete(t.Context(), []string{all[1]}), "removing again is a success")
}

func TestDeleteErrorNamesWhatFailed(t *testing.T) {
	store := newStore(t, Options{})
	var all []string
	for range 3 {
		all = append(all, deliver(t, store, "bob", "hello").ID)
	}
	n := 0
	denied := errors.New("permission denied")
	box := open(t, store, "bob")
	list(t, box)
	store.fault = func(now step) error {
		if n++; now == stepRemove && n == 2 {
			return denied
		}
		return nil
	}
	err := box.Delete(t.Context(), all)
	var failed *mailbox.DeleteError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, denied)
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.Equal(t, []string{all[1]}, keys(failed.Failed))
	require.Equal(t, []string{all[1]}, ids(listed(t, store, "bob")), "all the others are gone")
}

func TestACancelledDeleteNamesWhatIsLeft(t *testing.T) {
	store := newStore(t, Options{})
	all := []string{deliver(t, store, "bob", "1").ID, deliver(t, store, "bob", "2").ID}
	box := open(t, store, "bob")
	list(t, box)
	ctx, cancel := context.WithCancel(t.Context())
	store.fault = func(step) error { cancel(); return nil }
	err := box.Delete(ctx, all)
	var failed *mailbox.DeleteError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, all[1:], keys(failed.Failed))
	store.fault = nil
	require.Equal(t, all[1:], ids(listed(t, store, "bob")))
}

func keys(m map[string]error) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}
