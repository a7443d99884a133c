package pop3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// The last answer arrives, and then a clean end, even if the client has sent
// more than the server reads: without care the kernel would reset the
// connection.
func TestTheLastAnswerIsNotLost(t *testing.T) {
	more := strings.Repeat("NOOP\r\n", 2000)
	server := pop3test.NewServer(t, newFakeHost("one"))
	for name, test := range map[string]struct{ input, last string }{
		"line too long":         {strings.Repeat("x", 100_000), "-ERR line too long\r\n"},
		"too many bad commands": {strings.Repeat("%\r\n", 5) + more, "-ERR too many bad commands\r\n"},
		"QUIT before the login": {"QUIT\r\n" + more, "+OK bye\r\n"},
		"QUIT":                  {goodLogin + "DELE 1\r\nQUIT\r\n" + more, "+OK bye\r\n"},
		"STLS":                  {"STLS\r\n" + more, "-ERR nothing may follow STLS before TLS\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, secure := range []bool{false, true} {
				if secure && name == "STLS" {
					continue
				}
				for range 50 {
					require.NoError(t, lastAnswer(t, server, secure, test.input, test.last))
				}
			}
		})
	}
}

func lastAnswer(t *testing.T, server *pop3test.Server, secure bool, input, last string) error {
	address := server.Addr
	if secure {
		address = server.AddrTLS
	}
	nc, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer nc.Close()
	if secure {
		nc = tls.Client(nc, server.ClientTLS())
	}
	nc.SetDeadline(time.Now().Add(pop3test.Patience))
	if _, err := io.WriteString(nc, input); err != nil {
		return err
	}
	time.Sleep(time.Millisecond) // a reset, if there is one, overtakes what is not read yet
	answers, err := io.ReadAll(nc)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(string(answers), last) {
		return fmt.Errorf("the last answer is %.100q", answers[max(0, len(answers)-100):])
	}
	return nil
}

// What is read after the last answer is bounded, in time and in octets.
func TestTheEndIsBounded(t *testing.T) {
	server := pop3test.NewUnstartedServer(t, newFakeHost("one"))
	over := make(chan pop3.SessionInfo, 1)
	server.Config.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { over <- info }}
	server.Start(t)

	silent, err := net.Dial("tcp", server.Addr) // and does not close its side
	require.NoError(t, err)
	defer silent.Close()
	io.WriteString(silent, "QUIT\r\n")
	require.Less(t, (<-over).Duration, pop3test.Patience)

	endless, err := net.Dial("tcp", server.Addr)
	require.NoError(t, err)
	defer endless.Close()
	taken := make(chan int64)
	go func() {
		n, _ := io.Copy(endless, io.MultiReader(strings.NewReader("QUIT\r\n"), endlessly("x")))
		taken <- n
	}()
	require.Less(t, (<-over).Duration, pop3test.Patience)
	require.Less(t, <-taken, int64(64<<20), "and what the kernel has room for")
}

// endlessly reads as a text again and again.
type endlessly string

func (e endlessly) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// Before the login no write outlives AuthTimeout, whatever WriteTimeout is, and
// the session ends with that reason.
func TestAWriteBeforeTheLoginEndsWithAuthTimeout(t *testing.T) {
	for _, writeTimeout := range []time.Duration{0, -1, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			server := insecure(newFakeHost("one"))
			server.AuthTimeout, server.WriteTimeout = 10*time.Second, writeTimeout
			var reason pop3.Reason
			server.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { reason = info.Reason }}
			p := rawPipe(t, server, t.Context()) // reads nothing, not even the greeting
			began := time.Now()
			require.ErrorIs(t, <-p.over, os.ErrDeadlineExceeded)
			require.Equal(t, 10*time.Second, time.Since(began))
			require.Equal(t, pop3.ReasonNoLogin, reason)
		})
	}
}

// Each end of a session has its reason.
func TestReasons(t *testing.T) {
	closing := &pop3.Error{Text: "that is it", Close: true}
	for want, test := range map[pop3.Reason]struct {
		input string
		set   func(*pop3.Server, *fakeHost)
	}{
		pop3.ReasonQuit:        {"QUIT\r\n", nil},
		pop3.ReasonClientGone:  {goodLogin, nil},
		pop3.ReasonLineTooLong: {strings.Repeat("x", 3000) + "\r\n", nil},
		pop3.ReasonBadCommands: {strings.Repeat("%\r\n", 5), nil},
		pop3.ReasonTurnedAway: {"", func(_ *pop3.Server, h *fakeHost) {
			h.set(inNewSession, func(context.Context) error { return errDisk })
		}},
		pop3.ReasonRefused: {goodLogin + "RETR 1\r\n", func(_ *pop3.Server, h *fakeHost) {
			h.set(inOpen, func(context.Context) error { return closing })
		}},
		pop3.ReasonBodyFailed: {goodLogin + "RETR 1\r\n", func(_ *pop3.Server, h *fakeHost) {
			h.set(amidRead, func(context.Context) error { return errDisk })
		}},
		pop3.ReasonPanic: {goodLogin + "RETR 1\r\n", func(_ *pop3.Server, h *fakeHost) {
			h.set(amidRead, func(context.Context) error { panic("at the disco") })
		}},
		pop3.ReasonClosedByHost: {goodLogin + "NOOP\r\n", func(s *pop3.Server, _ *fakeHost) {
			s.Hooks.Command = func(_ context.Context, c *pop3.Conn, info pop3.CommandInfo) {
				if info.Verb == "NOOP" {
					c.Close()
				}
			}
		}},
	} {
		t.Run(string(want), func(t *testing.T) {
			host := newFakeHost("Subject: one\n\nbody")
			server := insecure(host)
			var info pop3.SessionInfo
			server.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, i pop3.SessionInfo) { info = i }}
			if test.set != nil {
				test.set(server, host)
			}
			err := server.ServeConn(t.Context(), newScript([]byte(test.input), 0))
			require.Equal(t, want, info.Reason)
			require.Equal(t, want == pop3.ReasonQuit, err == nil, err)
			require.Equal(t, info.Err, err)
		})
	}
}

// A host may end a connection at any time.
func TestConnClose(t *testing.T) {
	conns := make(chan *pop3.Conn, 1)
	server := pop3test.NewUnstartedServer(t, newFakeHost("one"))
	server.Config.Hooks = &pop3.Hooks{Connect: func(_ context.Context, c *pop3.Conn) { conns <- c }}
	server.Start(t)
	for _, dial := range []func(testing.TB) *pop3test.Client{server.Dial, server.DialTLS} {
		client := dial(t)
		conn := <-conns
		client.Login("demo", "secret")
		require.Equal(t, "demo", conn.User())
		require.NoError(t, conn.Close())
		client.Conn().SetReadDeadline(time.Now().Add(pop3test.Patience))
		_, err := client.Conn().Read(make([]byte, 1))
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}

// What is wrong counts for MaxBadCommands; what is only impossible does not, and
// an empty line is ignored.
func TestWrongIsNotImpossible(t *testing.T) {
	const many = 100
	for _, command := range []string{
		"RETR 999", "TOP 999 0", "LIST 999", "UIDL 999", "DELE 999", "RETR 2", "DELE 2", "LIST 2", "UIDL 2", "TOP 2 0",
		"LAST", "XTND", "EXEC", "ABZ", "X09", "",
	} {
		t.Run(command, func(t *testing.T) {
			host := newFakeHost("one", "two")
			answers := transcript(t, insecure(host), goodLogin+"DELE 2\r\n"+strings.Repeat(command+"\r\n", many)+"QUIT\r\n")
			require.True(t, strings.HasSuffix(answers, "+OK bye\r\n"), "%.200q", answers)
			want := many
			if command == "" {
				want = 0
			}
			require.Equal(t, want, strings.Count(answers, "-ERR"))
			require.Equal(t, []string{"b"}, host.removed(), "the marks are kept")
		})
	}
	for _, command := range []string{"AUTH XYZZY", "APOP demo c4c9334bac560ecc979e58001b3e22fb", "STLS", "AUTH PLAIN\r\n*", "LAST", "USER demo", ""} {
		t.Run("before the login "+command, func(t *testing.T) {
			server := insecure(pop3.Login(pop3test.AnyPassword(), newFakeStore()))
			if command == "USER demo" {
				server.AllowInsecureAuth = false
			}
			answers := transcript(t, server, strings.Repeat(command+"\r\n", many)+"QUIT\r\n")
			require.True(t, strings.HasSuffix(answers, "+OK bye\r\n"), "%.200q", answers)
		})
	}
	// One wrong command among right ones never ends a session.
	answers := transcript(t, insecure(newFakeHost("one")), goodLogin+strings.Repeat("TOP 1 x\r\nNOOP\r\n", many)+"QUIT\r\n")
	require.True(t, strings.HasSuffix(answers, "+OK bye\r\n"), "%.200q", answers)
	// Twenty in a row do.
	for _, command := range []string{"TOP 1 x", "RETR", "DELE 0", "NOOP 1", "USER demo", "%", "XYZZYX"} {
		answers := transcript(t, insecure(newFakeHost("one")), goodLogin+strings.Repeat(command+"\r\n", 20)+"QUIT\r\n")
		require.True(t, strings.HasSuffix(answers, "-ERR too many bad commands\r\n"), "%s: %.200q", command, answers)
	}
}

// MaxRefused ends what is hopeless, however it is refused.
func TestMaxRefused(t *testing.T) {
	for name, limit := range map[string]struct{ field, refused int }{"default": {0, 1000}, "custom": {3, 3}, "none": {-1, 5000}} {
		for _, command := range []string{"RETR 999", "LAST", "", "RETR 1"} {
			t.Run(name+" "+command, func(t *testing.T) {
				host := newFakeHost("one")
				host.set(inOpen, func(context.Context) error { return mailbox.ErrNotFound })
				server := insecure(host)
				server.MaxRefused = limit.field
				answers := transcript(t, server, goodLogin+strings.Repeat(command+"\r\n", limit.refused-1)+"QUIT\r\n")
				require.True(t, strings.HasSuffix(answers, "+OK bye\r\n"))
				answers = transcript(t, server, goodLogin+strings.Repeat(command+"\r\n", limit.refused)+"QUIT\r\n")
				require.Equal(t, limit.field >= 0, strings.HasSuffix(answers, "-ERR too many bad commands\r\n"))
				// Those that are answered with +OK make up for it.
				answers = transcript(t, server, goodLogin+strings.Repeat(command+"\r\nNOOP\r\n", limit.refused+10)+"QUIT\r\n")
				require.True(t, strings.HasSuffix(answers, "+OK bye\r\n"))
			})
		}
	}
	// An outage of the store is not the client's fault.
	host := newFakeHost("one")
	host.set(inOpen, func(context.Context) error { return errors.New("down") })
	answers := transcript(t, insecure(host), goodLogin+strings.Repeat("RETR 1\r\n", 2000)+"QUIT\r\n")
	require.True(t, strings.HasSuffix(answers, "+OK bye\r\n"))
}

// MaxLongLines bounds the memory for long lines of all connections together.
func TestMaxLongLines(t *testing.T) {
	const octets = 60_000 // takes 64 KiB
	for name, limit := range map[string]struct{ field, atOnce int }{
		"default": {0, 256},
		"custom":  {3 * 64 << 10, 3},
		"none":    {-1, 300},
	} {
		t.Run(name, func(t *testing.T) {
			server := insecure(pop3.Login(pop3test.AnyPassword(), newFakeStore()))
			server.MaxLongLines = limit.field
			long := func(p *piped) { p.Send("AUTH PLAIN " + strings.Repeat("x", octets)) }
			var open []*piped
			for range limit.atOnce {
				p := pipe(t, server)
				long(p)
				open = append(open, p)
			}
			// A line of ordinary length needs none of it.
			p := pipe(t, server)
			require.Equal(t, "-ERR [AUTH] authentication failed", p.Command("AUTH PLAIN "+strings.Repeat("AAAA", 400)))
			if limit.field >= 0 {
				go io.WriteString(p.conn, "AUTH PLAIN "+strings.Repeat("x", octets)+"\r\n")
				require.Equal(t, "-ERR [SYS/TEMP] too many long lines at once, try again later", p.Line())
				require.Error(t, <-p.over)
			}
			// What one gives back, after its line or at its end, is there for the next.
			require.Equal(t, "-ERR not base64", open[0].Command("!"))
			require.Equal(t, "+OK capabilities follow", open[0].Command("CAPA"))
			open[0].Body()
			long(pipe(t, server))
			open[1].conn.Close()
			<-open[1].over
			long(pipe(t, server))
		})
	}
}

// What a connection has given back it does not give again.
func TestMaxLongLinesIsGivenBackOnce(t *testing.T) {
	server := insecure(pop3.Login(pop3test.AnyPassword(), newFakeStore()))
	server.MaxLongLines = 64 << 10
	line := "AUTH PLAIN " + strings.Repeat("!", 60_000)
	p := pipe(t, server)
	for range 3 {
		require.Equal(t, "-ERR not base64", p.Command(line))
		require.Equal(t, "+OK capabilities follow", p.Command("CAPA"))
		p.Body()
	}
	pipe(t, server).Send(line)
	go io.WriteString(p.conn, line+"\r\n")
	require.Equal(t, "-ERR [SYS/TEMP] too many long lines at once, try again later", p.Line())
}
