package pop3_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/stretchr/testify/require"
)

// failingBodies fail after some octets, one that is read and one that writes
// itself.
func failingBodies(octets string) map[string]func() io.ReadCloser {
	return map[string]func() io.ReadCloser{
		"is read":       func() io.ReadCloser { return &pieces{rest: inPieces(octets, 1000), err: errDisk} },
		"writes itself": func() io.ReadCloser { return failingWriterTo{octets} },
	}
}

type failingWriterTo struct{ octets string }

func (failingWriterTo) Read([]byte) (int, error) { return 0, errors.New("WriteTo was not asked") }
func (failingWriterTo) Close() error             { return nil }

func (b failingWriterTo) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, b.octets)
	if err == nil {
		err = errDisk
	}
	return int64(n), err
}

// P2, and PROTOCOL.md section 3: after +OK a body that fails can only drop the
// connection. No dot, no -ERR, whatever was sent before; nothing is deleted; and
// the host hears of it.
func TestP2ABodyThatFailsDropsTheConnection(t *testing.T) {
	for _, octets := range []string{"x", "Subject: x\r\n\r\n", "Subject: x\n\n.", strings.Repeat("0123456789\r\n", 20_000)} {
		for name, body := range failingBodies(octets) {
			for _, command := range []string{"RETR 2", "TOP 2 1000000"} {
				if command != "RETR 2" && name != "is read" {
					continue // TOP reads
				}
				store := newShelf("a\n", "")
				store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) { return body(), nil }
				server := store.server()
				faults := make(chan error, 1)
				server.Hooks = &pop3.Hooks{Fault: func(_ *pop3.Conn, err error) { faults <- err }}
				client, ended := onConn(t, server, nil)
				client.Login("mrose", "secret")
				client.Command("DELE 1")
				go io.WriteString(client.Conn(), command+"\r\nQUIT\r\n")
				answer, _ := io.ReadAll(client.Conn())
				require.NotContains(t, string(answer), "\r\n.\r\n", "%s %s", name, command)
				require.NotContains(t, string(answer), "-ERR")
				require.NotContains(t, string(answer), "bye")
				require.ErrorIs(t, <-ended, errDisk)
				require.ErrorIs(t, <-faults, errDisk)
				require.NotContains(t, store.history(), "delete id-1")
				require.Contains(t, store.history(), "close maildrop")
			}
		}
	}
}

// P2: what fails before its first octet is a clean -ERR, and the session goes
// on.
func TestP2ABodyThatFailsAtOnceIsACleanError(t *testing.T) {
	for name, body := range failingBodies("") {
		for _, command := range []string{"RETR 1", "TOP 1 0"} {
			if command != "RETR 1" && name != "is read" {
				continue
			}
			store := newShelf("a\n")
			store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) { return body(), nil }
			client := session(t, store.server())
			require.Equal(t, temporaryAnswer, client.Command(command))
			require.Equal(t, "+OK 1 3", client.Command("STAT"))
			store.open = nil
			_, whole := client.Multi("RETR 1")
			require.Equal(t, "a\r\n", string(whole))
		}
	}
}

// What lies behind the lines that TOP wants is not read, so its failure is
// nobody's.
func TestTOPReadsNoFurtherThanItSends(t *testing.T) {
	store := newShelf("")
	store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) {
		return &pieces{rest: []string{"Subject: x\r\n\r\n", "one\r\n", "two\r\n"}, err: errDisk}, nil
	}
	client := session(t, store.server())
	for command, want := range map[string]string{
		"TOP 1 0": "Subject: x\r\n\r\n",
		"TOP 1 1": "Subject: x\r\n\r\none\r\n",
		"TOP 1 2": "Subject: x\r\n\r\none\r\ntwo\r\n",
	} {
		status, body := client.Multi(command)
		require.Equal(t, "+OK message follows", status)
		require.Equal(t, want, string(body))
	}
}

// A message that is gone is -ERR and nothing more; a client that asks for it
// over and over, as some do for ever, is one that goes wrong.
func TestALostMessageAskedForAgainAndAgain(t *testing.T) {
	store := newShelf("a\n", "b\n")
	store.open = func(id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
		if id == "id-1" {
			return nil, mailbox.ErrNotFound
		}
		return io.NopCloser(strings.NewReader(store.bodies[id])), nil
	}
	server := store.server()
	server.MaxBadCommands = 3
	client := session(t, server)
	require.Equal(t, "-ERR no such message", client.Command("RETR 1"))
	_, body := client.Multi("RETR 2")
	require.Equal(t, "b\r\n", string(body))
	require.Equal(t, "-ERR no such message", client.Command("RETR 1"))
	require.Equal(t, "-ERR no such message", client.Command("RETR 1"))
	require.Equal(t, "-ERR too many bad commands", client.Command("RETR 1"))
	client.ExpectClosed()
}
