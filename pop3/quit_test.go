package pop3_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// RFC 1939 section 6: the UPDATE state removes the marked messages, in one
// call, and only then answers. The mailbox is closed after that.
func TestUPDATERemovesWhatIsMarkedInOneCall(t *testing.T) {
	store := newFakeStore("a\n", "b\n", "c\n", "d\n")
	client := loggedIn(t, store.server())
	for _, command := range []string{"DELE 2", "RSET", "DELE 4", "DELE 1"} {
		client.Command(command)
	}
	require.Equal(t, "+OK bye", client.Quit())
	require.Equal(t, []string{"open mailbox", "delete id-1 id-4", "close mailbox"}, store.history())
}

// A session without marks does not call Delete.
func TestUPDATEWithoutMarksDeletesNothing(t *testing.T) {
	store := newFakeStore("a\n")
	client := loggedIn(t, store.server())
	client.Command("DELE 1")
	client.Command("RSET")
	require.Equal(t, "+OK bye", client.Quit())
	require.Equal(t, []string{"open mailbox", "close mailbox"}, store.history())
}

// P4: a QUIT that leaves something is -ERR and ends the session. The mailbox is
// closed once.
func TestP4AQUITThatFailsIsAnError(t *testing.T) {
	partly := &mailbox.DeleteError{Failed: map[string]error{"id-2": errDisk}}
	for name, test := range map[string]struct {
		err    error
		answer string
	}{
		"some":         {partly, "-ERR [SYS/TEMP] some deleted messages not removed"},
		"some wrapped": {fmt.Errorf("delete: %w", partly), "-ERR [SYS/TEMP] some deleted messages not removed"},
		"for good":     {mailbox.ErrPermanent, "-ERR [SYS/PERM] deleted messages may not have been removed"},
		"own words":    {&pop3.Error{Text: "the archive is sealed"}, "-ERR the archive is sealed"},
		"not known":    {mailbox.ErrTemporary, "-ERR [SYS/TEMP] deleted messages may not have been removed"},
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore("a\n", "b\n")
			store.deleteErr = test.err
			client := pipe(t, store.server())
			client.Login("mrose", "secret")
			client.Command("DELE 1")
			client.Command("DELE 2")
			require.Equal(t, test.answer, client.Quit())
			require.ErrorIs(t, <-client.over, test.err)
			require.Equal(t, []string{"open mailbox", "delete id-1 id-2", "close mailbox"}, store.history())
		})
	}
}

// RFC 1939 section 6: a session that ends without QUIT removes nothing.
func TestOnlyQUITDeletes(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, client *piped, server *pop3.Server){
		"the client is gone": func(_ *testing.T, client *piped, _ *pop3.Server) { client.Conn().Close() },
		"half a QUIT": func(_ *testing.T, client *piped, _ *pop3.Server) {
			client.Send("QUIT\r")
			client.Conn().Close()
		},
		"a line too long": func(_ *testing.T, client *piped, _ *pop3.Server) {
			go io.WriteString(client.Conn(), strings.Repeat("x", 3000))
			client.Line()
		},
		"too many bad commands": func(_ *testing.T, client *piped, server *pop3.Server) {
			for range 20 {
				client.Command("QUIT x")
			}
		},
		"Shutdown": func(t *testing.T, client *piped, server *pop3.Server) {
			stopped := make(chan error, 1)
			go func() { stopped <- server.Shutdown(context.Background()) }()
			client.Line()
			require.NoError(t, <-stopped)
		},
		"Close": func(_ *testing.T, _ *piped, server *pop3.Server) { server.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore("a\n", "b\n")
			server := store.server()
			client := pipe(t, server)
			client.Login("mrose", "secret")
			client.Command("DELE 1")
			client.Command("DELE 2")
			end(t, client, server)
			require.Error(t, <-client.over)
			require.Equal(t, []string{"open mailbox", "close mailbox"}, store.history())
		})
	}
}

func TestAQUITThatFailsInTheWordsOfTheHost(t *testing.T) {
	store := newFakeStore("a\n", "b\n")
	store.deleteErr = &mailbox.DeleteError{Failed: map[string]error{"id-1": &pop3.Error{Text: "it is locked"}}}
	client := loggedIn(t, store.server())
	client.Command("DELE 1")
	client.Command("DELE 2")
	require.Equal(t, "-ERR it is locked", client.Quit())
}
