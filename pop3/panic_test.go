package pop3_test

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

const (
	internalError = "-ERR [SYS/TEMP] internal error\r\n"

	// Together these reach every method of a host.
	afterLogin = "STAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 2 0\r\nDELE 2\r\nCAPA\r\nQUIT\r\n"
	byUser     = "USER demo\r\nPASS secret\r\n" + afterLogin
	bySASL     = "AUTH TEST\r\nAAAA\r\n" + afterLogin
	byAPOP     = "APOP demo 0123456789abcdef0123456789abcdef\r\n" + afterLogin
)

// faultyServer returns a server that gets all it can from host: its sessions,
// hooks and logger, its capabilities and contexts.
func faultyServer(host *fakeHost) *pop3.Server {
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

func hostOfThree() *fakeHost {
	host := newFakeHost("Subject: one\n\n.dot\n", "Subject: two\n\nbody\n", "three")
	host.sizes = []int64{-1, 22, 7}
	return host
}

// A panic in any function of a host ends its session and no other. The client
// gets -ERR or is cut off. It never takes something for done that is not, and
// no half answer for a whole one.
func TestPanicEndsOneSession(t *testing.T) {
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
		whole, good, borders := sessionWithoutPanic(t, test.input)
		for _, p := range test.points {
			require.NotZero(t, whole.count(p), "%s is never called", p)
			for _, hookPanics := range []bool{false, true} {
				name := string(p)
				if hookPanics {
					name += ", and Hooks.Fault"
				}
				t.Run(name, func(t *testing.T) {
					host := hostOfThree()
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
						require.Contains(t, []point{inSessionClose, inLog, inCloseHook}, p, "the client did not notice")
					}
					require.NotZero(t, host.count(inFaultHook), "Hooks.Fault was not called")
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

// sessionWithoutPanic returns a host after a session, the session's answers,
// and where each of them begins and ends.
func sessionWithoutPanic(t *testing.T, input string) (whole *fakeHost, good string, borders []int) {
	whole = hostOfThree()
	server := faultyServer(whole)
	server.Hooks.Command = func(_ context.Context, _ *pop3.Conn, info pop3.CommandInfo) {
		whole.hit(t.Context(), inCommandHook)
		borders = append(borders, int(info.Out))
	}
	good = transcript(t, server, input)
	require.Contains(t, good, "+OK bye\r\n")
	borders = append([]int{0, strings.Index(good, "\r\n") + 2}, borders...)
	for i := 2; i < len(borders); i++ {
		borders[i] += borders[i-1]
	}
	return whole, good, borders
}

func TestPanicOfTheTLSHookEndsOneSession(t *testing.T) {
	host := newFakeHost("one")
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

// A host's code may call runtime.Goexit, as FailNow of a test does.
func TestGoexitEndsOneSession(t *testing.T) {
	for p, afterQuit := range map[point]bool{
		inConnectHook: false, inNewSession: false, inLogin: false, inMessages: false, inOpen: false, amidRead: false, inDelete: false,
		inMailboxClose: false, inSessionClose: true, inLog: true, inCloseHook: true,
	} {
		t.Run(string(p), func(t *testing.T) {
			host := newFakeHost("Subject: one\n\nbody\n", "two")
			server := faultyServer(host)
			host.set(p, func(context.Context) error { runtime.Goexit(); return nil })
			output := transcript(t, server, byUser)
			require.Equal(t, afterQuit, strings.Contains(output, "+OK bye"), output)
			require.NoError(t, server.Shutdown(t.Context()))
			require.Equal(t, 1, host.count(inCloseHook))
			host.requireClosed(t)
		})
	}
}
