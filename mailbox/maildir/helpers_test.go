package maildir

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func newStore(t testing.TB, options Options) *Store {
	t.Helper()
	return newStoreIn(t, filepath.Join(t.TempDir(), "mail"), options)
}

func newStoreIn(t testing.TB, dir string, options Options) *Store {
	t.Helper()
	store, err := New(dir, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close(context.Background())) })
	return store
}

func appendTo(t testing.TB, store *Store, delivery mailbox.Delivery, body string) []mailbox.Result {
	t.Helper()
	results, err := store.Append(t.Context(), delivery, strings.NewReader(body))
	require.NoError(t, err)
	require.Len(t, results, len(delivery.Recipients))
	return results
}

func deliver(t testing.TB, store *Store, user, body string) mailbox.Message {
	t.Helper()
	message, err := mailbox.Deliver(t.Context(), store, mailbox.To(user), strings.NewReader(body))
	require.NoError(t, err)
	return message
}

// refused is the error of a delivery to one user.
func refused(t testing.TB, store *Store, user, body string) error {
	t.Helper()
	message, err := mailbox.Deliver(t.Context(), store, mailbox.To(user), strings.NewReader(body))
	require.Error(t, err)
	require.Zero(t, message)
	return err
}

func open(t testing.TB, store *Store, user string) mailbox.Mailbox {
	t.Helper()
	box, err := store.Open(t.Context(), mailbox.Login{User: user})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

func list(t testing.TB, box mailbox.Mailbox) []mailbox.Message {
	t.Helper()
	messages, err := mailbox.List(t.Context(), box)
	require.NoError(t, err)
	return messages
}

func listed(t testing.TB, store *Store, user string) []mailbox.Message {
	t.Helper()
	box, err := store.Open(t.Context(), mailbox.Login{User: user})
	require.NoError(t, err)
	defer box.Close()
	return list(t, box)
}

func ids(messages []mailbox.Message) []string {
	ids := make([]string, 0, len(messages))
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// read returns a message as Open does. [mailbox.ReadMessage] would make it
// canonical, which is what the store must do.
func read(t testing.TB, box mailbox.Mailbox, id string) string {
	t.Helper()
	body, err := box.Open(t.Context(), id, mailbox.OpenOptions{})
	require.NoError(t, err)
	defer body.Close()
	octets, err := io.ReadAll(body)
	require.NoError(t, err)
	return string(octets)
}

// filesIn lists a directory of a user's Maildir.
func filesIn(t testing.TB, store *Store, user, place string) []string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(store.dir, DirName(user), place))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
	}
	return names
}

// put writes a file into the mailbox as another program would.
func put(t testing.TB, store *Store, user, place, name, body string) {
	t.Helper()
	home := filepath.Join(store.dir, DirName(user))
	for _, sub := range []string{"tmp", "new", "cur"} {
		require.NoError(t, os.MkdirAll(filepath.Join(home, sub), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(home, place, name), []byte(body), 0o600))
}

func path(store *Store, user string, elements ...string) string {
	return filepath.Join(append([]string{store.dir, DirName(user)}, elements...)...)
}
