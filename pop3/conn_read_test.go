package pop3_test

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// A line without an end takes no more memory than the longest allowed line, and
// ends the connection.
func TestLineWithoutAnEnd(t *testing.T) {
	const longest = 2048
	for name, test := range map[string]struct {
		before, line string
		longest      int64
	}{
		"a command":        {"", "x", longest},
		"a password":       {"USER demo\r\n", "PASS x", longest},
		"a NUL":            {"", "\x00", longest},
		"a CR":             {"", "\r", longest},
		"AUTH":             {"", "AUTH PLAIN ", 64 << 10},
		"within AUTH":      {"AUTH PLAIN\r\n", "", 64 << 10},
		"after the login":  {goodLogin, "RETR ", longest},
		"AUTH after login": {goodLogin, "AUTH PLAIN ", longest},
	} {
		t.Run(name, func(t *testing.T) {
			var store memory.Store
			infos := make(chan pop3.SessionInfo, 1)
			server := insecure(pop3.Login(pop3test.AnyPassword(), &store))
			server.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { infos <- info }}
			p := rawPipe(t, server, t.Context())
			sent := make(chan int, 1)
			go func() {
				n, err := io.WriteString(p.conn, test.before+test.line+strings.Repeat("\x01", 1<<20))
				if err == nil {
					n = -1
				}
				sent <- n
			}()
			output := p.rest(t)
			require.True(t, strings.HasSuffix(output, "\r\n"+tooLong), "%q", output)
			info := <-infos
			const buffered = 512
			require.LessOrEqual(t, info.In, int64(len(test.before))+test.longest+buffered)
			require.EqualValues(t, "line too long", info.Reason)
			n := <-sent
			require.GreaterOrEqual(t, n, 0, "the server read it all")
			require.LessOrEqual(t, int64(n), int64(len(test.before))+test.longest+buffered)
		})
	}
}

// The memory of a long line is not kept for the rest of the session.
func TestALongLineIsNotKept(t *testing.T) {
	server := insecure(newFakeHost())
	server.MaxLine, server.MaxLongLines = -1, -1
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	line := strings.Repeat("x", 8<<20)
	var sessions []*piped
	for range 4 {
		p := pipe(t, server)
		require.Equal(t, "-ERR unknown command", p.Command(line))
		sessions = append(sessions, p)
	}
	line = ""
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(16<<20))
	requireAlive(t, sessions...)
}

// No control character is part of a command, and none is sent back.
func TestControlCharacters(t *testing.T) {
	for octet := range 256 {
		if octet >= ' ' && octet < 0x7f || octet == '\n' {
			continue
		}
		c := string([]byte{byte(octet)})
		for _, line := range []string{c, c + "STAT", "STAT" + c, "ST" + c + "AT", "RETR " + c, "RETR 1" + c, "RETR" + c + "1", "TOP 1 " + c, "QUIT " + c, "X" + c + "X"} {
			if strings.HasSuffix(line, "\r") {
				line += "x" // a CR before the LF is part of the line end
			}
			host := newFakeHost("one")
			conn := newScript([]byte(goodLogin+line+"\r\nSTAT\r\n"), 0)
			insecure(host).ServeConn(t.Context(), conn)
			lines := strings.SplitAfter(conn.out.String(), "\r\n")
			require.Len(t, lines, 6, "%q: %q", line, lines)
			require.Regexp(t, `^-ERR [ -~]+\r\n$`, lines[3], "%q", line)
			require.Equal(t, "+OK 1 5\r\n", lines[4])
		}
	}
}
