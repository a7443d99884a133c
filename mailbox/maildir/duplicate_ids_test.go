package maildir

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// A program that moves a message with link and unlink was killed between them.
func TestTwoNamesOfOneFileAreOneMessage(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "hello")
	name := filesIn(t, store, "bob", "new")[0]
	require.NoError(t, os.Link(path(store, "bob", "new", name), path(store, "bob", "cur", name+":2,S")))
	box := open(t, store, "bob")
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	require.Equal(t, "hello\r\n", read(t, box, m.ID))
	var removed []mailbox.Message
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		removed = append(removed, event.Messages...)
		return nil
	}))
	require.NoError(t, box.Delete(t.Context(), []string{m.ID}))
	require.Empty(t, listed(t, store, "bob"), "removed wholly")
	require.NoError(t, store.listeners.Close(t.Context()))
	require.Equal(t, []mailbox.Message{m}, removed, "once")
}

// A backup was copied over live mail, or a message was copied to a second name.
func TestTwoFilesWithOneIDAreTwoMessages(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host,S=7,W=7,UIDL=old:2,S", "first\r\n")
	put(t, store, "bob", "cur", "1.M1.host,S=8,W=8,UIDL=old:2,", "second\r\n")
	put(t, store, "bob", "new", "1.M1.host", "third\r\n")
	box := open(t, store, "bob")
	messages := list(t, box)
	require.Len(t, messages, 3)
	require.Equal(t, messages, listed(t, store, "bob"), "once and for all")

	var bodies []string
	shown := map[string]bool{}
	for _, m := range messages {
		bodies = append(bodies, read(t, box, m.ID))
		shown[mailbox.UIDL(m)] = true
	}
	require.ElementsMatch(t, []string{"first\r\n", "second\r\n", "third\r\n"}, bodies)
	require.Len(t, shown, 3)
	require.True(t, shown["old"])
	require.Equal(t, "1.M1.host", messages[0].ID, "one keeps the ID")

	require.NoError(t, box.Delete(t.Context(), []string{"1.M1.host"}))
	require.Len(t, listed(t, store, "bob"), 2, "the others are not lost with it")
}

// Two messages with one ID whose names are as long as names can be: the new ID
// needs more room than there is.
func TestTwoFilesWithOneIDAndLongNames(t *testing.T) {
	store := newStore(t, Options{})
	long := strings.Repeat("x", 230)
	put(t, store, "bob", "new", "1,S=7,W=7,"+long, "first\r\n")
	put(t, store, "bob", "cur", "1,S=8,W=8,"+long+":2,S", "second\r\n")
	box := open(t, store, "bob")
	var bodies []string
	for _, m := range list(t, box) {
		require.Positive(t, m.Size)
		bodies = append(bodies, read(t, box, m.ID))
	}
	require.ElementsMatch(t, []string{"first\r\n", "second\r\n"}, bodies)
}
