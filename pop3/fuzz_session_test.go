package pop3_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

const goodLogin = "USER demo\r\nPASS secret\r\n"

var fuzzMessages = fstest.MapFS{
	"demo/1.eml": {Data: []byte("Subject: one\n\n.dot\n..\n.\nend")},
	"demo/2.eml": {Data: []byte("")},
	"demo/3.eml": {Data: []byte("Subject: three\r\n\r\nbare\rCR\r\n")},
}

// FuzzSession lets a client send anything. The server does not panic; each
// answer is well-formed, and no command succeeds in a wrong state; octets are
// counted; and nothing is removed without QUIT.
func FuzzSession(f *testing.F) {
	f.Add([]byte(goodLogin+"STAT\r\nLIST\r\nUIDL\r\nLIST 1\r\nUIDL 2\r\nRETR 1\r\nTOP 1 1\r\nDELE 1\r\nRSET\r\nDELE 3\r\nNOOP\r\nQUIT\r\n"), byte(0))
	f.Add([]byte("CAPA\r\nAUTH\r\nAUTH \r\nAUTH PLAIN\r\nAGRlbW8Ac2VjcmV0\r\nRETR 3\r\nDELE 1\r\n"), byte(3))
	f.Add([]byte("AUTH PLAIN AGRlbW8Ac2VjcmV0\nCAPA\nDELE 2\nQUIT"), byte(1))
	f.Add([]byte("AUTH PLAIN\r\n*\r\nSTLS\r\nUSER demo\r\nPASS  \r\nPASS\r\nAPOP demo 0123456789abcdef0123456789abcdef\r\nQUIT\r\n"), byte(7))
	f.Add([]byte("USER \x00\r\nUSER\r\nuser demo\r\npass wrong\r\nStLs x\r\n\r\n\n \r\nQUIT now\r\nQUIT\r\n"), byte(0))
	f.Add([]byte(goodLogin+"DELE 1\r\nDELE 1\r\nRETR 1\r\nRETR 0\r\nRETR -1\r\nRETR 2147483648\r\nTOP 1\r\nTOP 1 99999999999\r\nLIST 1 2\r\nSTLS\r\nUSER x\r\n"), byte(0))
	f.Add([]byte("ER\r\nuser demo\r\npass wrong\r\nStLs x\r\n\r\n"), byte('.'))
	f.Add([]byte(strings.Repeat("A", 3000)), byte(0))
	f.Add([]byte("AUTH PLAIN "+strings.Repeat("A", 70000)+"\r\n"), byte(0))

	tlsConfig := pop3test.NewUnstartedServer(f, nil).Config.TLSConfig
	f.Fuzz(func(t *testing.T, input []byte, step byte) {
		var store memory.Store
		require.NoError(t, store.LoadFS(t.Context(), fuzzMessages))
		watch := &watcher{t: t}
		server := insecure(pop3.Login(demo, &store))
		server.TLSConfig = tlsConfig
		server.Hooks = watch.hooks()
		conn := newScript(input, int(step))
		server.ServeConn(t.Context(), conn)
		watch.check(input, conn.out.String())

		require.Len(t, uidls(t, &store, "demo"), 3-watch.over.Deleted, "messages left")
		if watch.over.Reason != "quit" {
			require.Zero(t, watch.over.Deleted, "removed without QUIT")
		}
	})
}

// demo is a host's one user, who may log in by USER, PLAIN and APOP.
var demo = pop3.Users{"demo": "secret"}.SharedSecrets()

// watcher compares what the hooks hear with what was on the wire.
type watcher struct {
	t        *testing.T
	commands []pop3.CommandInfo
	states   []bool // logged in after each command
	loggedIn bool
	over     pop3.SessionInfo
	closed   int
}

func (w *watcher) hooks() *pop3.Hooks {
	return &pop3.Hooks{
		Auth: func(_ context.Context, _ *pop3.Conn, _ mailbox.Login, err error) { w.loggedIn = err == nil },
		Command: func(_ context.Context, _ *pop3.Conn, info pop3.CommandInfo) {
			w.commands = append(w.commands, info)
			w.states = append(w.states, w.loggedIn)
		},
		Fault: func(_ context.Context, _ *pop3.Conn, err error) { require.NoError(w.t, err) },
		Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { w.over, w.closed = info, w.closed+1 },
	}
}

var (
	statusLine = regexp.MustCompile(`^(\+OK|-ERR)( [^\x00-\x1f\x7f]*)?\r\n$`)
	challenge  = regexp.MustCompile(`^\+ [A-Za-z0-9+/]*=*\r\n$`)
	emptyLine  = regexp.MustCompile(`(?m)^\r?$\n`)
	codeOf     = regexp.MustCompile(`^-ERR \[([^]]+)\]`)
)

func (w *watcher) check(input []byte, output string) {
	t := w.t
	require.Equal(t, 1, w.closed, "calls of Hooks.Close")
	greeting, rest, _ := strings.Cut(output, "\r\n")
	require.Regexp(t, `^\+OK .*<[^>]+@pop3>$`, greeting)
	in, wasLoggedIn := int64(0), false
	for i, info := range w.commands {
		require.LessOrEqual(t, info.Out, int64(len(rest)), "octets of %+v", info)
		if info.Verb == "STLS" && strings.HasPrefix(rest, "+OK") {
			return // a TLS alert follows, since the client does not begin TLS
		}
		w.checkAnswer(info, rest[:info.Out])
		w.checkState(info, wasLoggedIn, w.states[i])
		rest, wasLoggedIn = rest[info.Out:], w.states[i]
		in += info.In
	}
	if rest != "" { // empty lines are no commands, and too many of them end the session
		require.Contains(t, []string{"-ERR line too long\r\n", "-ERR too many bad commands\r\n"}, rest, "the session's last words")
	}
	require.LessOrEqual(t, w.over.In, int64(len(input)), "octets read")
	require.LessOrEqual(t, in, w.over.In, "octets of the commands")
	if bytes.HasSuffix(input, []byte("\n")) && !emptyLine.Match(input) && w.over.Reason == pop3.ReasonClientGone {
		require.Equal(t, w.over.In, in, "octets of the commands, since there was no other line")
	}
	require.EqualValues(t, len(output), w.over.Out, "octets written")
}

// checkAnswer checks the form of an answer (RFC 1939 section 3, RFC 2449
// section 4).
func (w *watcher) checkAnswer(info pop3.CommandInfo, answer string) {
	t := w.t
	lines := strings.SplitAfter(answer, "\r\n")
	require.Empty(t, lines[len(lines)-1], "an answer that does not end in CRLF: %q", answer)
	lines = lines[:len(lines)-1]
	for info.Verb == "AUTH" && len(lines) > 0 && challenge.MatchString(lines[0]) {
		lines = lines[1:]
	}
	if info.Verb == "AUTH" && len(lines) == 0 {
		return // the client went away in the middle
	}
	require.NotEmpty(t, lines, "no answer to %+v", info)
	status := lines[0]
	if status == "-ERR line too long\r\n" {
		return // in the middle of AUTH
	}
	require.Regexp(t, statusLine, status)
	require.LessOrEqual(t, len(status), 512)
	require.Equal(t, info.OK, strings.HasPrefix(status, "+OK"), "%+v: %q", info, answer)
	code := ""
	if found := codeOf.FindStringSubmatch(status); found != nil {
		code = found[1]
	}
	require.EqualValues(t, code, info.Code)
	if len(lines) == 1 {
		require.NotContains(t, []string{"RETR", "TOP", "CAPA"}, map[bool]string{true: info.Verb}[info.OK], "a body is missing")
		return
	}
	require.True(t, info.OK, "a body after an -ERR: %q", answer)
	require.Contains(t, []string{"RETR", "TOP", "CAPA", "LIST", "UIDL", "AUTH"}, info.Verb, "a body: %q", answer)
	for i, line := range lines[1:] {
		require.Equal(t, i == len(lines)-2, line == ".\r\n", "the final dot of %q", answer)
		require.NotContains(t, strings.TrimSuffix(line, "\r\n"), "\n")
	}
}

// checkState checks that a command that succeeded is allowed in its state (RFC
// 1939 sections 4 and 5).
func (w *watcher) checkState(info pop3.CommandInfo, before, after bool) {
	t := w.t
	if !info.OK {
		require.Equal(t, before, after, "%+v was refused and changed the state", info)
		return
	}
	switch info.Verb {
	case "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET", "NOOP":
		require.True(t, before, "%s before the login", info.Verb)
	case "USER", "STLS":
		require.False(t, before, "%s after the login", info.Verb)
		require.False(t, after)
	case "PASS", "APOP":
		require.False(t, before, "%s after the login", info.Verb)
		require.True(t, after)
	case "AUTH":
		require.False(t, before)
	case "CAPA", "QUIT":
		require.Equal(t, before, after)
	default:
		require.Fail(t, "an unknown command succeeded", "%q", info.Verb)
	}
}
