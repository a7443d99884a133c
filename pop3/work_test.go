package pop3_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// RFC 2449 section 6.6: what a client has asked for is answered while the host
// works on what it asked for next, whatever that is.
func TestAnswersDoNotWaitForTheHost(t *testing.T) {
	for name, test := range map[string]struct {
		slow              point
		before, pipelined string
		want              string
	}{
		"AUTH":           {inExchangeOpen, "", "CAPA\r\nAUTH TEST\r\n\r\n", ".\r\n+ d2hvPw==\r\n"},
		"PASS":           {inLogin, "", "USER demo\r\nPASS secret\r\n", "+OK send PASS\r\n"},
		"the listing":    {inMessages, "", "USER demo\r\nPASS secret\r\n", "+OK send PASS\r\n"},
		"StartSASL":      {inStartSASL, "", "USER demo\r\nAUTH TEST\r\n", "+OK send PASS\r\n"},
		"RETR":           {inOpen, goodLogin, "NOOP\r\nRETR 1\r\n", "+OK\r\n"},
		"the body":       {inRead, goodLogin, "NOOP\r\nRETR 1\r\n", "+OK\r\n"},
		"half a body":    {amidRead, goodLogin, "NOOP\r\nRETR 1\r\n", "+OK 22 octets\r\nSubject: "},
		"TOP":            {inOpen, goodLogin, "NOOP\r\nTOP 1 0\r\n", "+OK\r\n"},
		"STAT":           {inRead, goodLogin, "NOOP\r\nSTAT\r\n", "+OK\r\n"},
		"QUIT":           {inDelete, goodLogin + "DELE 1\r\n", "NOOP\r\nQUIT\r\n", "+OK\r\n"},
		"the close":      {inMailboxClose, goodLogin, "NOOP\r\nQUIT\r\n", "+OK\r\n"},
		"an own command": {inCommand, goodLogin, "NOOP\r\nXTST\r\n", "+OK\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newFakeHost("Subject: one\n\nbody")
				if name == "STAT" {
					host.sizes = []int64{-1}
				}
				server := insecure(host)
				server.Commands = []pop3.Command{{Verb: "XTST", States: pop3.Transaction,
					Run: func(ctx context.Context, _ *pop3.Conn, _ string) (pop3.Reply, error) {
						return pop3.Reply{Text: "done"}, host.hit(ctx, inCommand)
					}}}
				host.set(test.slow, func(context.Context) error { time.Sleep(3 * time.Second); return nil })
				p := rawPipe(t, server, t.Context())
				output := p.hear()
				io.WriteString(p.conn, test.before)
				synctest.Wait()
				began := time.Now()
				io.WriteString(p.conn, test.pipelined)
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				require.True(t, strings.HasSuffix(output.String(), test.want), "%q after %s", output, time.Since(began))
				p.conn.Close()
			})
		})
	}
}

// Many short pieces of work are as slow as a long one.
func TestAnswersDoNotWaitForManyShortWaits(t *testing.T) {
	for name, p := range map[string]point{"messages": inOpen, "reads": amidRead, "lines": inCommand} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newFakeHost(slices.Repeat([]string{"x"}, 26)...)
				host.sizes = slices.Repeat([]int64{-1}, 26)
				server := insecure(host)
				server.Commands = []pop3.Command{{Verb: "XTST", States: pop3.Transaction,
					Run: func(ctx context.Context, _ *pop3.Conn, _ string) (pop3.Reply, error) {
						return pop3.Reply{Lines: func(yield func(string, error) bool) {
							for range 26 {
								host.hit(ctx, inCommand)
								if !yield("", nil) {
									return
								}
							}
						}}, nil
					}}}
				client := rawPipe(t, server, t.Context())
				output := client.hear()
				io.WriteString(client.conn, goodLogin)
				synctest.Wait()
				host.set(p, func(context.Context) error { time.Sleep(4 * time.Millisecond); return nil })
				io.WriteString(client.conn, map[point]string{inCommand: "NOOP\r\nXTST\r\n"}[p]+"NOOP\r\nSTAT\r\n")
				time.Sleep(50 * time.Millisecond)
				require.Contains(t, output.String(), "messages\r\n+OK\r\n")
				client.conn.Close()
			})
		})
	}
}

const inCommand point = "Command.Run"

// counting counts the writes of the server.
type counting struct {
	net.Conn
	writes *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// Fifty pipelined RETR of small messages are a few writes, and not fifty.
func TestPipelinedAnswersAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that no store is slow because the machine is
		const messages = 50
		body := "Subject: small\r\n\r\n" + strings.Repeat("a line of text\r\n", 10)
		var bodies []string
		for range messages {
			bodies = append(bodies, body)
		}
		server := newFakeStore(bodies...).server()
		var writes atomic.Int64
		p := rawPipe(t, server, t.Context(), func(conn net.Conn) net.Conn { return counting{conn, &writes} }).greeted(t)
		p.Login("demo", "secret")
		writes.Store(0)
		var commands, want strings.Builder
		for i := range messages {
			fmt.Fprintf(&commands, "RETR %d\r\n", i+1)
			fmt.Fprintf(&want, "+OK %d octets\r\n%s.\r\n", len(body), body)
		}
		go p.conn.Write([]byte(commands.String()))
		got := make([]byte, want.Len())
		p.conn.SetReadDeadline(time.Now().Add(pop3test.Patience))
		_, err := io.ReadFull(p.conn, got)
		require.NoError(t, err)
		require.Equal(t, want.String(), string(got))
		require.LessOrEqual(t, writes.Load(), int64(messages/4), "of %d octets", want.Len())
	})
}

// receipts is a store whose mailboxes are told what the client has got.
type receipts struct {
	*fakeStore
	fails error
}

func (s receipts) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	mb, err := s.fakeStore.Open(ctx, login)
	return receiptMailbox{mb, s}, err
}

type receiptMailbox struct {
	mailbox.Mailbox
	store receipts
}

func (m receiptMailbox) Retrieved(_ context.Context, id string) error {
	m.store.called("retrieved %s", id)
	return m.store.fails
}

func (s receipts) told() (told []string) {
	for _, call := range s.history() {
		if strings.HasPrefix(call, "retrieved") || strings.HasPrefix(call, "delete") {
			told = append(told, call)
		}
	}
	return told
}

// A mailbox hears of each message that was wholly sent, in order, before Delete:
// not of a TOP, of one that was refused, or of one whose connection broke.
func TestReceipts(t *testing.T) {
	store := receipts{fakeStore: newFakeStore("one\n", "two\n", "three\n")}
	server := &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), store), AllowInsecureAuth: true}
	answers := transcript(t, server, goodLogin+"RETR 2\r\nTOP 1 1\r\nRETR 9\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n")
	require.Contains(t, answers, "+OK bye")
	require.Equal(t, []string{"retrieved id-2", "retrieved id-1", "retrieved id-2", "delete id-1"}, store.told())

	store = receipts{fakeStore: newFakeStore("one\n", strings.Repeat("two\n", 100_000))}
	server.Handler = pop3.Login(pop3test.AnyPassword(), store)
	p := loggedIn(t, server)
	p.Multi("RETR 1")
	p.Command("NOOP") // each is told once
	p.Command("NOOP")
	p.Send("RETR 2\r\n")
	p.Line()
	p.conn.Close()
	require.Error(t, <-p.over)
	require.Equal(t, []string{"retrieved id-1"}, store.told())

	// What the client may not have got is none.
	store = receipts{fakeStore: newFakeStore("one\n")}
	server.Handler = pop3.Login(pop3test.AnyPassword(), store)
	p = loggedIn(t, server)
	p.Send("RETR 1\r\n")
	p.conn.Close()
	require.Error(t, <-p.over)
	require.Empty(t, store.told())

	store = receipts{fakeStore: newFakeStore("one\n")}
	server.Handler = pop3.Login(pop3test.AnyPassword(), store)
	transcript(t, server, goodLogin+"RETR 1\r\nQUIT\r\n")
	require.Equal(t, []string{"retrieved id-1"}, store.told(), "and nothing is removed")

	// An error is the host's affair.
	store = receipts{newFakeStore("one\n"), errDisk}
	server = &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), store), AllowInsecureAuth: true}
	faults := 0
	server.Hooks = &pop3.Hooks{Fault: func(_ context.Context, _ *pop3.Conn, err error) {
		require.ErrorIs(t, err, errDisk)
		faults++
	}}
	require.Contains(t, transcript(t, server, goodLogin+"RETR 1\r\nNOOP\r\nQUIT\r\n"), "+OK\r\n+OK bye")
	require.Equal(t, 1, faults)
}

// Of a message that goes out with the last answer the mailbox hears too,
// whatever that is.
func TestReceiptsOfTheLastAnswers(t *testing.T) {
	for name, last := range map[string]string{
		"too many bad commands": strings.Repeat("%\r\n", 20),
		"too many refused":      strings.Repeat("RETR 9\r\n", 3),
		"an error that closes":  "XEND\r\n",
		"shutdown":              "XSHUT\r\nNOOP\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			store := receipts{fakeStore: newFakeStore("one\n")}
			server := insecure(pop3.Login(pop3test.AnyPassword(), store))
			server.MaxRefused = 3
			if name == "too many bad commands" {
				server.MaxRefused = -1
			}
			over := make(chan error, 1)
			server.Commands = []pop3.Command{
				{Verb: "XEND", States: pop3.Transaction, Run: func(context.Context, *pop3.Conn, string) (pop3.Reply, error) {
					return pop3.Reply{}, &pop3.Error{Text: "enough", Close: true}
				}},
				{Verb: "XSHUT", States: pop3.Transaction, Run: func(context.Context, *pop3.Conn, string) (pop3.Reply, error) {
					go func() { over <- server.Shutdown(context.Background()) }()
					for len(over) == 0 && server.ServeConn(context.Background(), newScript(nil, 0)) != pop3.ErrServerClosed {
						runtime.Gosched()
					}
					return pop3.Reply{}, nil
				}},
			}
			require.Contains(t, transcript(t, server, goodLogin+"RETR 1\r\n"+last), "one\r\n.\r\n")
			require.Equal(t, []string{"retrieved id-1"}, store.told())
			if name == "shutdown" {
				require.NoError(t, <-over)
			}
		})
	}
}

// sized is a store whose mailboxes know sizes that the listing has not.
type sized struct {
	*fakeStore
	size int64
	err  error
}

func (s sized) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	mb, err := s.fakeStore.Open(ctx, login)
	return sizedMailbox{mb, s}, err
}

type sizedMailbox struct {
	mailbox.Mailbox
	store sized
}

func (m sizedMailbox) Size(_ context.Context, id string) (int64, error) {
	m.store.called("size %s", id)
	return m.store.size, m.store.err
}

// A Sizer is asked once for each unknown size, and nothing is opened unless it
// does not know either. A Mailbox that is none is opened to be measured.
func TestSizes(t *testing.T) {
	for name, test := range map[string]struct {
		size   int64
		err    error
		stat   string
		opened int
	}{
		"known":     {7, nil, "+OK 1 7", 0},
		"unknown":   {-1, nil, "+OK 1 5", 1},
		"gone":      {0, mailbox.ErrNotFound, "+OK 1 0", 0},
		"temporary": {0, mailbox.ErrTemporary, temporaryAnswer, 0},
	} {
		t.Run(name, func(t *testing.T) {
			store := sized{newFakeStore("one\n"), test.size, test.err}
			store.messages[0].Size = -1
			opened := 0
			store.open = func(_ string, options mailbox.OpenOptions) (io.ReadCloser, error) {
				require.Equal(t, mailbox.Measure, options.For)
				opened++
				return io.NopCloser(strings.NewReader("one\n")), nil
			}
			p := loggedIn(t, &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), store), AllowInsecureAuth: true})
			require.Equal(t, test.stat, p.Command("STAT"))
			require.Equal(t, test.stat, p.Command("STAT"))
			require.Equal(t, test.opened, opened)
			asked := strings.Count(strings.Join(store.history(), "\n"), "size id-1")
			if test.err == mailbox.ErrTemporary {
				require.Equal(t, 2, asked)
			} else {
				require.Equal(t, 1, asked)
			}
		})
	}
}

// sizedBody is a body whose exact size is known once it is open.
type sizedBody struct {
	io.Reader
	size int64
}

func (sizedBody) Close() error           { return nil }
func (b sizedBody) CanonicalSize() int64 { return b.size }

// P6: a body that knows its exact size is announced with it, and LIST and STAT
// say the same from then on. Of a listing that was wrong the host hears.
func TestP6ABodyKnowsItsSize(t *testing.T) {
	for name, test := range map[string]struct {
		listed, known int64
		announced     string
		stat          string
		faults        int
	}{
		"right":            {5, 5, "+OK 5 octets", "+OK 2 8", 0},
		"wrong":            {42, 5, "+OK 5 octets", "+OK 2 8", 1},
		"not listed":       {-1, 5, "+OK 5 octets", "+OK 2 8", 0},
		"not known either": {5, -1, "+OK 5 octets", "+OK 2 8", 0},
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore("one\n", "x")
			store.messages[0].Size = test.listed
			store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) {
				return sizedBody{strings.NewReader("one\n"), test.known}, nil
			}
			server := store.server()
			faults := 0
			server.Hooks = &pop3.Hooks{Fault: func(context.Context, *pop3.Conn, error) { faults++ }}
			p := loggedIn(t, server)
			status, body := p.Multi("RETR 1")
			require.Equal(t, test.announced, status)
			require.Equal(t, "one\r\n", string(body))
			require.Equal(t, test.stat, p.Command("STAT"))
			require.Equal(t, "+OK 1 5", p.Command("LIST 1"))
			require.Equal(t, test.faults, faults)
			p.Multi("RETR 1")
			require.Equal(t, test.faults, faults, "once")
		})
	}
}
