package pop3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// failingBodies returns bodies that fail after octets: one that is read, and
// one that writes itself.
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

// P2: if a body fails after +OK, the connection ends without a final dot and
// without -ERR. Nothing is removed, and Hooks.Fault hears of it.
func TestP2ABodyThatFailsDropsTheConnection(t *testing.T) {
	for _, octets := range []string{"x", "Subject: x\r\n\r\n", "Subject: x\n\n.", strings.Repeat("0123456789\r\n", 20_000)} {
		for name, body := range failingBodies(octets) {
			for _, command := range []string{"RETR 2", "TOP 2 1000000"} {
				if command != "RETR 2" && name != "is read" {
					continue // TOP does not use WriteTo
				}
				store := newFakeStore("a\n", "")
				store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) { return body(), nil }
				server := store.server()
				faults := make(chan error, 1)
				server.Hooks = &pop3.Hooks{Fault: func(_ context.Context, _ *pop3.Conn, err error) { faults <- err }}
				client := pipe(t, server)
				client.Login("mrose", "secret")
				client.Command("DELE 1")
				go io.WriteString(client.Conn(), command+"\r\nQUIT\r\n")
				answer, _ := io.ReadAll(client.Conn())
				require.NotContains(t, string(answer), "\r\n.\r\n", "%s %s", name, command)
				require.NotContains(t, string(answer), "-ERR")
				require.NotContains(t, string(answer), "bye")
				require.ErrorIs(t, <-client.over, errDisk)
				require.ErrorIs(t, <-faults, errDisk)
				require.NotContains(t, store.history(), "delete id-1")
				require.Contains(t, store.history(), "close mailbox")
			}
		}
	}
}

// P2: a body that fails before its first octet is a clean -ERR, and the session
// goes on.
func TestP2ABodyThatFailsAtOnceIsACleanError(t *testing.T) {
	for name, body := range failingBodies("") {
		for _, command := range []string{"RETR 1", "TOP 1 0"} {
			if command != "RETR 1" && name != "is read" {
				continue
			}
			store := newFakeStore("a\n")
			store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) { return body(), nil }
			client := loggedIn(t, store.server())
			require.Equal(t, temporaryAnswer, client.Command(command))
			require.Equal(t, "+OK 1 3", client.Command("STAT"))
			store.open = nil
			_, whole := client.Multi("RETR 1")
			require.Equal(t, "a\r\n", string(whole))
		}
	}
}

// TOP does not read beyond the lines that it sends, so that an error there does
// not matter.
func TestTOPReadsNoFurtherThanItSends(t *testing.T) {
	store := newFakeStore("")
	store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) {
		return &pieces{rest: []string{"Subject: x\r\n\r\n", "one\r\n", "two\r\n"}, err: errDisk}, nil
	}
	client := loggedIn(t, store.server())
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

// A message that is gone is -ERR, and the session goes on. Some clients ask for
// it forever: that ends with MaxRefused.
func TestALostMessageAskedForAgainAndAgain(t *testing.T) {
	store := newFakeStore("a\n", "b\n")
	store.open = func(id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
		if id == "id-1" {
			return nil, mailbox.ErrNotFound
		}
		return io.NopCloser(strings.NewReader(store.bodies[id])), nil
	}
	server := store.server()
	server.MaxBadCommands, server.MaxRefused = 1, 3
	client := loggedIn(t, server)
	require.Equal(t, "-ERR no such message", client.Command("RETR 1"))
	_, body := client.Multi("RETR 2")
	require.Equal(t, "b\r\n", string(body))
	require.Equal(t, "-ERR no such message", client.Command("RETR 1"))
	require.Equal(t, "-ERR no such message", client.Command("RETR 1"))
	require.Equal(t, "-ERR too many bad commands", client.Command("RETR 1"))
	client.ExpectClosed()
}

// OpenOptions say what the client wants, and that the unmarked messages come
// next.
func TestOpenOptionsSayWhatIsWantedAndWhatIsNext(t *testing.T) {
	store := newFakeStore("one\n", "two\n", "three\n", "four\n")
	var mu sync.Mutex
	var asked []string
	store.open = func(id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
		next := []string{}
		for id := range options.Next {
			next = append(next, id)
		}
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, fmt.Sprintf("%s top=%t lines=%d next=%s", id, options.For == mailbox.Top, options.Lines, next))
		return io.NopCloser(strings.NewReader(store.bodies[id])), nil
	}
	client := loggedIn(t, store.server())
	client.Command("DELE 3")
	client.Multi("RETR 1")
	client.Multi("TOP 2 7")
	client.Multi("RETR 4")
	client.Command("NOOP")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{
		"id-1 top=false lines=0 next=[id-2 id-4]",
		"id-2 top=true lines=7 next=[id-4]",
		"id-4 top=false lines=0 next=[]",
	}, asked)
}

// The session goes on after a message that has gone since the listing.
func TestMessageGoneSinceTheListing(t *testing.T) {
	host := newFakeHost("one", "two")
	host.set(inOpen, func(context.Context) error { return fmt.Errorf("host: %w", mailbox.ErrNotFound) })
	output := transcript(t, insecure(host), goodLogin+"RETR 1\r\nTOP 2 0\r\nLIST\r\nDELE 1\r\nQUIT\r\n")
	require.Equal(t, "+OK POP3 server ready <>\r\n+OK send PASS\r\n+OK maildrop has 2 messages\r\n"+
		"-ERR no such message\r\n-ERR no such message\r\n+OK 2 10\r\n1 5\r\n2 5\r\n.\r\n+OK message 1 deleted\r\n+OK bye\r\n", output)
	require.Equal(t, []string{hostID(0)}, host.removed(), "to remove what is not there is a success")
}

// P8: memory is flat. Except for its buffers, the server reads no more of a
// body than the client reads of the answer.
func TestP8RETRStreams(t *testing.T) {
	const size = 64 << 20
	body := &countedBody{rest: size}
	store := newFakeStore("")
	store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) { return body, nil }
	store.messages[0].Size = size
	client := loggedIn(t, store.server())
	require.Equal(t, fmt.Sprintf("+OK %d octets", size), client.Command("RETR 1"))
	// The pipe buffers nothing: the server now waits in its next write.
	require.LessOrEqual(t, body.taken(), 256<<10)
	for range 3 {
		_, err := io.CopyN(io.Discard, client.Conn(), 1<<20)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, body.taken(), 3<<20+512<<10)
}

// countedBody is a long body of short lines.
type countedBody struct {
	mu   sync.Mutex
	rest int
	took int
}

func (b *countedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(p), b.rest)
	for i := range n {
		p[i] = 'x'
		if i%64 == 63 {
			p[i] = '\n'
		}
	}
	b.rest -= n
	b.took += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (b *countedBody) taken() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.took
}

func (b *countedBody) Close() error { return nil }

// doubtful is a body that says that it may not be in canonical form.
type doubtful struct{ io.ReadCloser }

func (doubtful) IsCanonical() bool { return false }

// A message of any line ends has the size that its store says, and is no fault.
func TestARightSizeIsNoFault(t *testing.T) {
	for body, want := range map[string]string{"a\n.b": "a\r\n..b\r\n", "a\r\n.b\n": "a\r\n..b\r\n", "a\n.b\r": "a\r\n..b\r\n"} {
		store := newFakeStore(body)
		store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) {
			return doubtful{io.NopCloser(strings.NewReader(body))}, nil
		}
		server := store.server()
		server.Hooks = &pop3.Hooks{Fault: func(_ context.Context, _ *pop3.Conn, err error) { t.Error(err) }}
		require.Contains(t, transcript(t, server, goodLogin+"RETR 1\r\nQUIT\r\n"), "+OK 7 octets\r\n"+want+".\r\n", "%q", body)
	}
}

// whole is a message that is written in one call.
type whole struct{ bytes.Reader }

func (*whole) Close() error      { return nil }
func (*whole) IsCanonical() bool { return true }

// WriteTimeout is for 1 MiB at a time, however a store writes.
func TestALargeMessageIsWrittenInSteps(t *testing.T) {
	message := strings.Repeat(strings.Repeat("x", 62)+"\r\n", 4<<20/64)
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(message)
		store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) {
			body := new(whole)
			body.Reset([]byte(message))
			return body, nil
		}
		server := store.server()
		server.WriteTimeout = 10 * time.Second
		p := loggedIn(t, server)
		go p.Send("RETR 1\r\nQUIT\r\n")
		output := p.take(128<<10, time.Second)
		require.NoError(t, <-p.over)
		require.True(t, strings.HasSuffix(output, "\r\n.\r\n+OK bye\r\n"))
	})
}
