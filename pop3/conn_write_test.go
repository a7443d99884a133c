package pop3_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// tap is a connection that records what the server does with it.
type tap struct {
	net.Conn
	mu            sync.Mutex
	writes        []string
	readDeadlines []time.Duration // from now; 0: none
}

func (c *tap) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, string(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *tap) SetReadDeadline(at time.Time) error {
	wait := time.Duration(0)
	if !at.IsZero() {
		wait = time.Until(at)
	}
	c.mu.Lock()
	c.readDeadlines = append(c.readDeadlines, wait)
	c.mu.Unlock()
	return c.Conn.SetReadDeadline(at)
}

// take returns the writes since the last call.
func (c *tap) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	writes := c.writes
	c.writes = nil
	return writes
}

// tapped returns a client after its login, and the server's end of its
// connection.
func tapped(t *testing.T, server *pop3.Server) (*pop3test.Client, *tap) {
	t.Helper()
	var tapOn *tap
	client := rawPipe(t, server, context.Background(), func(conn net.Conn) net.Conn {
		tapOn = &tap{Conn: conn}
		return tapOn
	}).greeted(t)
	client.Login("demo", "secret")
	require.Len(t, tapOn.take(), 3, "a write for each answer that the client waited for")
	return client.Client, tapOn
}

// RFC 2449 section 6.6: answers to commands that came together are sent
// together. The server holds them back only while there is a whole command to
// read.
func TestAnswersToPipelinedCommandsGoTogether(t *testing.T) {
	client, conn := tapped(t, newFakeStore("a\n", "b\n").server())

	const together = 80 // fit in one read of the server
	client.Send(strings.Repeat("NOOP\r\n", together))
	for range together {
		require.Equal(t, "+OK", client.Line())
	}
	require.Equal(t, []string{strings.Repeat("+OK\r\n", together)}, conn.take())

	client.Send("STAT\r\nLIST\r\nUIDL 2\r\nTOP 9 9\r\nDELE 1\r\nNO")
	require.Equal(t, "+OK 2 6", client.Line())
	client.Line()
	client.Body()
	client.Line()
	client.Line()
	require.Equal(t, "+OK message 1 deleted", client.Line(), "half a command holds nothing back")
	require.Len(t, conn.take(), 1)
	client.Send("OP\r\n")
	require.Equal(t, "+OK", client.Line())

	client.Send("DELE 2\r\nQUIT\r\n")
	require.Equal(t, "+OK message 2 deleted", client.Line())
	require.Equal(t, "+OK bye", client.Line())
}

// A thousand pipelined commands are answered in a packet for each read.
func TestManyPipelinedCommandsNeedFewPackets(t *testing.T) {
	client, conn := tapped(t, newFakeStore().server())
	go client.Conn().Write([]byte(strings.Repeat("NOOP\r\n", 1000)))
	for range 1000 {
		require.Equal(t, "+OK", client.Line())
	}
	require.LessOrEqual(t, len(conn.take()), 6000/512+1, "one for each read of 512 octets")
}

// A listing is not sent line by line.
func TestAListingNeedsFewPackets(t *testing.T) {
	store := newFakeStore()
	for i := range 10_000 {
		store.messages = append(store.messages, mailbox.Message{ID: fmt.Sprintf("message-%05d", i), Size: 1000})
	}
	client, conn := tapped(t, store.server())
	for _, command := range []string{"LIST", "UIDL"} {
		conn.take()
		_, body := client.Multi(command)
		require.LessOrEqual(t, len(conn.take()), len(body)/8192+1)
	}
}

// The dot that ends a message never has a packet of its own: some clients look
// for CRLF . CRLF in what they read last, and would wait for more. Sizes around
// those of buffers, from bodies that write themselves and from bodies that come
// in pieces.
func TestTheFinalDotIsNotAlone(t *testing.T) {
	var sizes []int
	for _, buffer := range []int{0, 512, 1024, 4096, 16384, 17408, 32768, 131072} {
		for size := max(buffer-32, 0); size <= buffer; size++ {
			sizes = append(sizes, size)
		}
	}
	for name, source := range map[string]func(body string) io.ReadCloser{
		"writes itself": func(body string) io.ReadCloser { return selfWriting{strings.NewReader(body)} },
		"is read":       func(body string) io.ReadCloser { return &pieces{rest: inPieces(body, len(body)+1)} },
		"in pieces":     func(body string) io.ReadCloser { return &pieces{rest: inPieces(body, 1000)} },
	} {
		for _, ending := range []string{"\r\n", "\n", "x"} {
			t.Run(name+fmt.Sprintf(" and ends in %q", ending), func(t *testing.T) {
				t.Parallel()
				// In a bubble no store is ever slow: if one is, what there is is sent.
				synctest.Test(t, func(t *testing.T) {
					store := newFakeStore("")
					size := 0
					store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) {
						return source(strings.Repeat("a", size) + ending), nil
					}
					store.messages[0].Size = -1 // so that the status line is always the same
					client, conn := tapped(t, store.server())
					for _, size = range sizes {
						conn.take()
						status, body := client.Multi("RETR 1")
						require.Equal(t, "+OK message follows", status)
						require.Len(t, body, canonicalSize(size, ending))
						writes := conn.take()
						last := writes[len(writes)-1]
						require.Greater(t, len(last), len("\r\n.\r\n"), "%d octets: %q", size, last)
						require.True(t, strings.HasSuffix(last, "\r\n.\r\n"))
					}
				})
			})
		}
	}
}

func canonicalSize(letters int, ending string) int {
	if ending == "x" {
		return letters + len("x\r\n")
	}
	return letters + len("\r\n")
}

// selfWriting is an io.WriterTo.
type selfWriting struct{ *strings.Reader }

func (selfWriting) Close() error { return nil }
