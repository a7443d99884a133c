package pop3_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// awkwardBodies are hard to count or to stuff.
var awkwardBodies = []string{
	"", ".", "\r", "\n", "\r\n", ".\r\n", "\r\n.", "\n.\n", "a", "a\r", "a\n", "a\r\r\n", "\r.\r\n",
	".\n.\n.\n", "..", "Subject: x\n\n.a\n..b\n", "a\rb", "\x00", "\xff\xfe\r\n", strings.Repeat("x", 998) + "\n",
	strings.Repeat(".\n", 9000), strings.Repeat("x", 40_000), strings.Repeat("0123456789abcdef\r\n", 2500),
}

// P6: STAT says the count and the sum of LIST, and LIST n the octets of RETR n
// after un-stuffing. The store knows the sizes or not; the bodies write
// themselves, or are read in pieces of several sizes.
func TestP6STATAndLISTAreWhatRETRSends(t *testing.T) {
	pieceSizes := []int{1, 7, 4096}
	for _, known := range []bool{true, false} {
		for _, size := range append(pieceSizes, 0) {
			t.Run(fmt.Sprintf("known=%t/pieces=%d", known, size), func(t *testing.T) {
				t.Parallel()
				store := newFakeStore(awkwardBodies...)
				for i := range store.messages {
					if !known {
						store.messages[i].Size = -1
					}
				}
				if size > 0 {
					store.open = func(id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
						return &pieces{rest: inPieces(store.bodies[id], size)}, nil
					}
				}
				requireTrueSizes(t, loggedIn(t, store.server()).Client, len(awkwardBodies))
			})
		}
	}
}

func requireTrueSizes(t *testing.T, client *pop3test.Client, messages int) {
	sum := 0
	_, listing := client.Multi("LIST")
	var lines strings.Builder
	for i := range messages {
		status, body := client.Multi("RETR " + strconv.Itoa(i+1))
		require.True(t, strings.HasPrefix(status, "+OK"), status)
		require.Equal(t, fmt.Sprintf("+OK %d %d", i+1, len(body)), client.Command("LIST "+strconv.Itoa(i+1)))
		fmt.Fprintf(&lines, "%d %d\r\n", i+1, len(body))
		sum += len(body)
	}
	require.Equal(t, lines.String(), string(listing))
	require.Equal(t, fmt.Sprintf("+OK %d %d", messages, sum), client.Command("STAT"))

	client.Command("DELE 2")
	_, body := client.Multi("RETR " + strconv.Itoa(messages))
	require.Equal(t, fmt.Sprintf("+OK %d %d", messages-1, sum-1-len("\r\n")), client.Command("STAT")) // message 2 is "."
	client.Command("DELE " + strconv.Itoa(messages))
	require.Equal(t, fmt.Sprintf("+OK %d %d", messages-2, sum-3-len(body)), client.Command("STAT"))
	client.Command("RSET")
	require.Equal(t, fmt.Sprintf("+OK %d %d", messages, sum), client.Command("STAT"))
}

func inPieces(text string, size int) (list []string) {
	for len(text) > size {
		list = append(list, text[:size])
		text = text[size:]
	}
	if text != "" {
		list = append(list, text)
	}
	return list
}

// P6: a size that the store does not know is counted once, and only when a
// client asks for it.
func TestP6UnknownSizesAreCountedOnce(t *testing.T) {
	store := newFakeStore("a\n", "bb\n", "ccc\n")
	for i := range store.messages {
		store.messages[i].Size = -1
	}
	client := loggedIn(t, store.server())
	require.Equal(t, []string{"open mailbox"}, store.history(), "the login reads nothing")
	require.Equal(t, "+OK 2 4", client.Command("LIST 2"))
	require.Equal(t, []string{"open mailbox", "open id-2"}, store.history())

	client.Command("DELE 3")
	require.Equal(t, "+OK 2 7", client.Command("STAT"))
	require.Equal(t, []string{"open mailbox", "open id-2", "open id-1"}, store.history())
	client.Command("RSET")
	require.Equal(t, "+OK 3 12", client.Command("STAT"))
	require.Equal(t, "+OK 3 12", client.Command("STAT"))
	client.Multi("LIST")
	require.Equal(t, []string{"open mailbox", "open id-2", "open id-1", "open id-3"}, store.history())
}

// P6: if a size cannot be counted, the answer is a clean -ERR and not a wrong
// number.
func TestP6AFailedCountIsAnError(t *testing.T) {
	store := newFakeStore("a\n", "bb\n")
	store.messages[1].Size = -1
	store.openErr = mailbox.ErrTemporary
	client := loggedIn(t, store.server())
	for _, command := range []string{"STAT", "LIST", "LIST 2"} {
		require.Equal(t, temporaryAnswer, client.Command(command))
	}
	require.Equal(t, "+OK 1 3", client.Command("LIST 1"))

	store.openErr = nil
	store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) {
		return &pieces{rest: []string{"b"}, err: errDisk}, nil
	}
	require.Equal(t, temporaryAnswer, client.Command("STAT"))
	store.open = nil
	require.Equal(t, "+OK 2 7", client.Command("STAT"))
}

// A message whose listed size is wrong is sent whole, and Hooks.Fault hears of
// it.
func TestWrongSizesOfAStoreAreFaults(t *testing.T) {
	for _, size := range []int64{0, 1, 1000} {
		store := newFakeStore("right\n", "Subject: x\n\nwrong\n")
		store.messages[1].Size = size
		faults := make(chan error, 10)
		server := store.server()
		server.Hooks = &pop3.Hooks{Fault: func(_ context.Context, _ *pop3.Conn, err error) { faults <- err }}
		client := loggedIn(t, server)
		_, body := client.Multi("RETR 1")
		require.Equal(t, "right\r\n", string(body))
		_, body = client.Multi("TOP 2 0")
		require.Equal(t, "Subject: x\r\n\r\n", string(body))
		_, body = client.Multi("RETR 2")
		require.Equal(t, "Subject: x\r\n\r\nwrong\r\n", string(body))
		client.Command("NOOP")
		require.Len(t, faults, 1)
		require.ErrorContains(t, <-faults, `"id-2"`)
	}
}

// A message of unknown size that another session removed has no octets: it must
// not keep the client from STAT and LIST for the rest of the session.
func TestAMessageGoneBeforeItWasCountedHasNoOctets(t *testing.T) {
	store := new(memory.Store)
	for _, body := range []string{"first\r\n", "second\r\n"} {
		_, err := mailbox.Deliver(t.Context(), store, mailbox.To("demo"), strings.NewReader(body))
		require.NoError(t, err)
	}
	server := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), sizeless{store}))
	client := server.Dial(t)
	client.Login("demo", "secret")
	other := server.Dial(t)
	other.Login("demo", "secret")
	other.Command("DELE 1")
	require.Equal(t, "+OK bye", other.Quit())
	require.Equal(t, "+OK 2 8", client.Command("STAT"))
	require.Equal(t, "+OK 1 0", client.Command("LIST 1"))
	require.Equal(t, "-ERR no such message", client.Command("RETR 1"))
	require.Equal(t, "+OK bye", client.Quit())
}

// sizeless is a store that does not know the size of any message.
type sizeless struct{ mailbox.Store }

func (s sizeless) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	mb, err := s.Store.Open(ctx, login)
	return sizelessMailbox{mb}, err
}

type sizelessMailbox struct{ mailbox.Mailbox }

func (m sizelessMailbox) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		for message, err := range m.Mailbox.Messages(ctx) {
			message.Size = -1
			if !yield(message, err) {
				return
			}
		}
	}
}
