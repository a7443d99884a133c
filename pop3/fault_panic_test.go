package pop3_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

const (
	internalError = "-ERR [SYS/TEMP] internal error\r\n"

	// Together these come through every function of a host.
	afterLogin = "STAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 2 0\r\nDELE 2\r\nCAPA\r\nQUIT\r\n"
	byUser     = "USER demo\r\nPASS secret\r\n" + afterLogin
	bySASL     = "AUTH TEST\r\nAAAA\r\n" + afterLogin
	byAPOP     = "APOP demo 0123456789abcdef0123456789abcdef\r\n" + afterLogin
)

var timestamp = regexp.MustCompile(`<[^>]*@pop3>`)

// transcript is all that a server says to a client that says everything at
// once, with the timestamp of the greeting left out.
func transcript(t testing.TB, server *pop3.Server, input string) string {
	t.Helper()
	p := rawPipe(t, server, context.Background())
	go io.WriteString(p.conn, input)
	output := p.rest(t)
	<-p.over
	return timestamp.ReplaceAllString(output, "<>")
}

// faultyServer is a server with a place for a fault in all that a host gives
// it.
func faultyServer(host *host) *pop3.Server {
	server := insecure(host)
	server.Hooks = host.hooks()
	server.Logger = slog.New(host)
	server.Capabilities = func(_ *pop3.Conn, list []string) []string {
		host.hit(context.Background(), inCapabilities)
		return list
	}
	server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		host.hit(ctx, inConnContext)
		return ctx
	}
	return server
}

// A panic in any function of a host ends the session in which it happens and
// no other. The client hears -ERR or is cut off: it never takes for done or for
// whole what is not.
func TestPanicEndsOneSession(t *testing.T) {
	newHost := func() *host {
		host := newHost("Subject: one\n\n.dot\n", "Subject: two\n\nbody\n", "three")
		host.sizes = []int64{-1, 22, 7}
		return host
	}
	for _, test := range []struct {
		input  string
		points []point
	}{
		{byUser, []point{
			inConnContext, inConnectHook, inNewSession, inAPOPEnabled, inLogin, inMessages, amidMessages, inAuthHook, inCommandHook,
			inOpen, inRead, amidRead, inBodyClose, inMechanisms, inCapabilities, inDelete, inMailboxClose, inSessionClose, inLog, inCloseHook,
		}},
		{bySASL, []point{inMechanisms, inStartSASL, inNext, inUser, inExchangeOpen, inAuthHook}},
		{byAPOP, []point{inAPOP}},
	} {
		whole := newHost()
		var borders []int // between the answers
		server := faultyServer(whole)
		server.Hooks.Command = func(_ *pop3.Conn, info pop3.CommandInfo) {
			whole.hit(t.Context(), inCommandHook)
			borders = append(borders, int(info.Out))
		}
		good := transcript(t, server, test.input)
		require.Contains(t, good, "+OK bye\r\n")
		borders = append([]int{0, strings.Index(good, "\r\n") + 2}, borders...)
		for i := 2; i < len(borders); i++ {
			borders[i] += borders[i-1]
		}

		for _, p := range test.points {
			require.NotZero(t, whole.count(p), "%s is never called", p)
			for _, hookPanics := range []bool{false, true} {
				name := string(p)
				if hookPanics {
					name += ", and Hooks.Fault"
				}
				t.Run(name, func(t *testing.T) {
					host := newHost()
					server := faultyServer(host)
					bystander := loggedIn(t, server)
					host.set(p, func(context.Context) error { panic("by " + p) })
					if hookPanics {
						host.set(inFaultHook, func(context.Context) error { panic("by the hook, too") })
					}
					output := transcript(t, server, test.input)
					host.clear()

					require.Equal(t, "+OK 3 51", bystander.Command("STAT"))
					require.Equal(t, "+OK bye", bystander.Quit())
					require.NoError(t, <-bystander.over)
					require.NoError(t, server.Shutdown(t.Context()))
					answers, refused := strings.CutSuffix(output, internalError)
					require.True(t, strings.HasPrefix(good, answers), "%q", output)
					if refused {
						require.Contains(t, borders, len(answers), "-ERR in the middle of an answer: %q", output)
					}
					if answers == good {
						require.Contains(t, []point{inSessionClose, inLog, inCloseHook}, p, "the client noticed nothing")
					}
					require.NotZero(t, host.count(inFaultHook), "nobody was told")
					require.Equal(t, 2, host.count(inCloseHook), "calls of Hooks.Close")
					if !strings.Contains(output, "+OK bye") && p != inMailboxClose {
						require.Empty(t, host.removed())
					}

					host.requireClosed(t)
				})
			}
		}
	}
}

// A host is a slog.Handler too.
func (h *host) Enabled(context.Context, slog.Level) bool        { return true }
func (h *host) Handle(ctx context.Context, _ slog.Record) error { return h.hit(ctx, inLog) }
func (h *host) WithAttrs([]slog.Attr) slog.Handler              { return h }
func (h *host) WithGroup(string) slog.Handler                   { return h }

func TestPanicOfTheTLSHookEndsOneSession(t *testing.T) {
	host := newHost("one")
	server := pop3test.NewUnstartedServer(t, host)
	server.Config.Hooks = host.hooks()
	server.Start(t)
	host.set(inTLSHook, func(context.Context) error { panic("by the hook") })
	client := server.Dial(t)
	client.STLS(server.ClientTLS())
	client.ExpectClosed()
	host.set(inTLSHook, nil)
	require.Equal(t, "+OK bye", server.DialTLS(t).Quit())
}

// FailNow of a test that runs in a handler ends the goroutine without a panic.
func TestGoexitEndsOneSession(t *testing.T) {
	for _, p := range []point{inConnectHook, inNewSession, inLogin, inMessages, inOpen, amidRead, inDelete} {
		t.Run(string(p), func(t *testing.T) {
			host := newHost("Subject: one\n\nbody\n", "two")
			server := faultyServer(host)
			host.set(p, func(context.Context) error { runtime.Goexit(); return nil })
			output := transcript(t, server, byUser)
			require.NotContains(t, output, "+OK bye")
			require.NoError(t, server.Shutdown(t.Context()))
			require.Equal(t, 1, host.count(inCloseHook))
			host.requireClosed(t)
		})
	}
}

// What a host cannot do is SYS/TEMP, and the session goes on where there is
// one.
func TestErrorsOfTheHost(t *testing.T) {
	const (
		temporary = "-ERR [SYS/TEMP] temporary failure, try again later\r\n"
		greeting  = "+OK POP3 server ready <>\r\n"
		hello     = "+OK send PASS\r\n+OK maildrop has 2 messages\r\n"
	)
	login := greeting + hello
	for _, test := range []struct {
		point         point
		input, output string
	}{
		{inNewSession, "", temporary},
		{inLogin, goodLogin + "QUIT\r\n", greeting + "+OK send PASS\r\n" + temporary + "+OK bye\r\n"},
		{inMessages, goodLogin + "QUIT\r\n", greeting + "+OK send PASS\r\n" + temporary + "+OK bye\r\n"},
		{amidMessages, goodLogin + "QUIT\r\n", greeting + "+OK send PASS\r\n" + temporary + "+OK bye\r\n"},
		{inStartSASL, "AUTH TEST\r\nQUIT\r\n", greeting + temporary + "+OK bye\r\n"},
		{inNext, "AUTH TEST\r\nQUIT\r\n", greeting + temporary + "+OK bye\r\n"},
		{inExchangeOpen, "AUTH TEST\r\nAAAA\r\nQUIT\r\n", greeting + "+ d2hvPw==\r\n" + temporary + "+OK bye\r\n"},
		{inAPOP, byAPOP[:strings.Index(byAPOP, "STAT")] + "QUIT\r\n", greeting + temporary + "+OK bye\r\n"},
		{inOpen, goodLogin + "RETR 1\r\nTOP 1 0\r\nQUIT\r\n", login + temporary + temporary + "+OK bye\r\n"},
		// Before the first octet it can still be said ...
		{inRead, goodLogin + "RETR 1\r\nTOP 1 0\r\nQUIT\r\n", login + temporary + temporary + "+OK bye\r\n"},
		// ... behind it the message must not look whole, nor an -ERR like a
		// line of it.
		{amidRead, goodLogin + "RETR 1\r\nQUIT\r\n", login},
		{amidRead, goodLogin + "TOP 1 1\r\nQUIT\r\n", login},
		{inDelete, goodLogin + "DELE 1\r\nQUIT\r\n", login + "+OK message 1 deleted\r\n-ERR [SYS/TEMP] deleted messages may not have been removed\r\n"},
		// The client has what it wanted, and only the log cares.
		{inMailboxClose, goodLogin + "QUIT\r\n", login + "+OK bye\r\n"},
		{inSessionClose, goodLogin + "QUIT\r\n", login + "+OK bye\r\n"},
		{inBodyClose, goodLogin + "RETR 1\r\nQUIT\r\n", login + "+OK 22 octets\r\nSubject: one\r\n\r\nbody\r\n.\r\n+OK bye\r\n"},
	} {
		t.Run(string(test.point), func(t *testing.T) {
			host := newHost("Subject: one\n\nbody", "two")
			host.set(test.point, func(context.Context) error { return errors.New("secret of the house") })
			server := faultyServer(host)
			output := transcript(t, server, test.input)
			if test.point == amidRead {
				require.True(t, strings.HasPrefix(login+"+OK 22 octets\r\nSubject: one\r\n\r\nbody\r\n", output), "%q", output)
				require.NotContains(t, output, "body")
			} else {
				require.Equal(t, test.output, output)
			}
			require.NoError(t, server.Shutdown(t.Context()))
			require.Empty(t, host.removed())
			host.requireClosed(t)
		})
	}
}

// No line that a host words ends a response before its end.
func TestLinesOfTheHost(t *testing.T) {
	host := newHost("one")
	server := faultyServer(host)
	server.Capabilities = func(*pop3.Conn, []string) []string {
		return []string{"A", ".", "..", ".B", "C\r\n.\r\n+OK", strings.Repeat("x", 1000)}
	}
	require.Equal(t, "+OK POP3 server ready <>\r\n+OK capabilities follow\r\nA\r\n..\r\n...\r\n..B\r\nC.+OK\r\n"+strings.Repeat("x", 510)+"\r\n.\r\n+OK bye\r\n",
		transcript(t, server, "CAPA\r\nQUIT\r\n"))
}
