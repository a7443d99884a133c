package pop3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// audit records the calls of the hooks of a server, a line each.
type audit struct {
	mu       sync.Mutex
	lines    []string
	commands []pop3.CommandInfo
	closed   chan pop3.SessionInfo
}

func (a *audit) add(format string, arguments ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, fmt.Sprintf(format, arguments...))
}

func (a *audit) hooks() *pop3.Hooks {
	a.closed = make(chan pop3.SessionInfo, 10)
	return &pop3.Hooks{
		Connect: func(_ context.Context, c *pop3.Conn) {
			a.add("connect tls=%t", c.TLS() != nil)
		},
		TLS: func(_ context.Context, c *pop3.Conn, state tls.ConnectionState) {
			a.add("tls %s complete=%t seen=%t", state.NegotiatedProtocol, state.HandshakeComplete, c.TLS().HandshakeComplete)
		},
		Auth: func(_ context.Context, _ *pop3.Conn, login mailbox.Login, err error) {
			a.add("auth %s %s as=%q tls=%t remote=%t password=%q: %v", login.User, login.Mechanism,
				login.AuthorizationID, login.TLS != nil, login.Remote != nil, login.Password+login.Token, err)
		},
		Command: func(_ context.Context, _ *pop3.Conn, info pop3.CommandInfo) {
			a.add("command %q ok=%t code=%q", info.Verb, info.OK, info.Code)
			a.mu.Lock()
			defer a.mu.Unlock()
			a.commands = append(a.commands, info)
		},
		Fault: func(_ context.Context, _ *pop3.Conn, err error) { a.add("fault %v", err) },
		Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) {
			a.add("close %s by %s: %s %v messages=%d tops=%d retrs=%d deleted=%d",
				info.User, info.Mechanism, info.Reason, info.Err, info.Messages, info.Tops, info.Retrs, info.Deleted)
			a.closed <- info
		},
	}
}

// The hooks of a whole session, in order.
func TestHooksHearOfASession(t *testing.T) {
	store := new(memory.Store)
	for range 3 {
		_, err := mailbox.Deliver(t.Context(), store, mailbox.To("mrose"), strings.NewReader("Subject: x\n\nbody\n"))
		require.NoError(t, err)
	}
	var audit audit
	server := pop3test.NewUnstartedServer(t, pop3.Login(pop3.Users{"mrose": "tanstaaf"}, store))
	server.Config.Hooks = audit.hooks()
	server.Start(t)

	client := server.Dial(t)
	client.STLS(server.ClientTLS())
	client.Command("USER mrose")
	client.Command("PASS wrong")
	client.Command("AUTH PLAIN AG1yb3NlAHRhbnN0YWFm") // \0mrose\0tanstaaf
	client.Command("XYZZY tanstaaf")
	client.Command("RETR 9")
	client.Multi("RETR 1")
	client.Multi("TOP 2 0")
	client.Multi("TOP 2 1")
	client.Command("DELE 1")
	client.Command("DELE 3")
	client.Quit()
	info := <-audit.closed

	require.Equal(t, []string{
		`connect tls=false`,
		`tls pop3 complete=true seen=true`,
		`command "STLS" ok=true code=""`,
		`command "USER" ok=true code=""`,
		`auth mrose USER as="" tls=true remote=true password="": authenticate: authentication failed`,
		`command "PASS" ok=false code="AUTH"`,
		`auth mrose PLAIN as="" tls=true remote=true password="": <nil>`,
		`command "AUTH" ok=true code=""`,
		`command "" ok=false code=""`,
		`command "RETR" ok=false code=""`,
		`command "RETR" ok=true code=""`,
		`command "TOP" ok=true code=""`,
		`command "TOP" ok=true code=""`,
		`command "DELE" ok=true code=""`,
		`command "DELE" ok=true code=""`,
		`command "QUIT" ok=true code=""`,
		`close mrose by PLAIN: quit <nil> messages=3 tops=2 retrs=1 deleted=2`,
	}, audit.lines)
	require.Positive(t, info.Duration)
}

// Hooks get the response codes (RFC 2449 section 8), and the end of a session
// whose QUIT failed.
func TestHooksHearOfWhatGoesWrong(t *testing.T) {
	store := newFakeStore("a\n", "b\n")
	store.deleteErr = &mailbox.DeleteError{Failed: map[string]error{"id-2": mailbox.ErrTemporary}}
	var audit audit
	server := store.server()
	server.Hooks = audit.hooks()
	client := pipe(t, server)
	store.storeErr = mailbox.ErrInUse
	client.Command("USER mrose")
	client.Command("PASS secret")
	store.storeErr = nil
	client.Login("mrose", "secret")
	store.openErr = mailbox.ErrPermanent
	client.Command("RETR 1")
	client.Command("DELE 1")
	client.Command("DELE 2")
	require.Equal(t, "-ERR [SYS/TEMP] some deleted messages not removed", client.Quit())
	require.Error(t, <-client.over)
	require.Equal(t, pop3.ReasonRefused, (<-audit.closed).Reason)
	require.Contains(t, audit.lines, `command "PASS" ok=false code="IN-USE"`)
	require.Contains(t, audit.lines, `command "RETR" ok=false code="SYS/PERM"`)
	require.Contains(t, audit.lines, `command "QUIT" ok=false code="SYS/TEMP"`)
	last := audit.lines[len(audit.lines)-1]
	require.Contains(t, last, "messages=2 tops=0 retrs=0 deleted=1", "one of the two is gone")
}

// CommandInfo.In and Out count the octets of each command and of its answer,
// with line ends. Their sums are those of the session.
func TestHooksCountOctets(t *testing.T) {
	var audit audit
	server := newFakeStore("Subject: x\n\n.body\n").server()
	server.Hooks = audit.hooks()
	client := pipe(t, server)
	commands := []struct {
		said, answered string
	}{
		{"CAPA x\r\n", "-ERR no argument expected\r\n"},
		{"XYZZY\r\n", "-ERR unknown command\r\n"},
		{"AUTH PLAIN\r\nAG1yb3NlAHNlY3JldA==\r\n", "+ \r\n+OK maildrop has 1 messages\r\n"},
		{"NOOP\n", "+OK\r\n"},
		{"STAT  \r\n", "+OK 1 21\r\n"},
		{"LIST\r\n", "+OK 1 21\r\n1 21\r\n.\r\n"},
		{"RETR 1\r\n", "+OK 21 octets\r\nSubject: x\r\n\r\n..body\r\n.\r\n"},
		{"NOOP " + strings.Repeat(" ", 1000) + "\r\n", "+OK\r\n"}, // longer than the read buffer
		{"RETR 2\r\n", "-ERR no such message\r\n"},
		{"QUIT\r\n", "+OK bye\r\n"},
	}
	in, out := 0, len("+OK POP3 server ready\r\n")
	for _, c := range commands {
		go io.WriteString(client.Conn(), c.said)
		answer := make([]byte, 0, len(c.answered))
		for len(answer) < len(c.answered) {
			answer = append(answer, client.Line()+"\r\n"...)
		}
		require.Equal(t, c.answered, string(answer))
		in += len(c.said)
		out += len(c.answered)
	}
	info := <-audit.closed
	for i, c := range commands {
		require.EqualValues(t, len(c.said), audit.commands[i].In, "%q", c.said)
		require.EqualValues(t, len(c.answered), audit.commands[i].Out, "%q", c.said)
	}
	require.EqualValues(t, in, info.In)
	require.EqualValues(t, out, info.Out)
}

// No hook and no line of the log ever has a password, or another argument that
// may be a secret: not after a login, not after a failed one, and not if the
// client mixes up its commands.
func TestNoSecretInHooksAndLogs(t *testing.T) {
	const secret = "tan%staaf-7"
	encoded := "AG1yb3NlAHRhbiVzdGFhZi03" // \0mrose\0 and the secret
	var log lockedBuffer
	var audit audit
	server := pop3test.NewUnstartedServer(t, pop3.Login(pop3.Users{"mrose": secret}.SharedSecrets(), newFakeStore("a\n")))
	server.Config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server.Config.MaxAuthTries = -1
	server.Config.MaxBadCommands = -1
	hooks := audit.hooks()
	auth := hooks.Auth
	hooks.Auth = func(ctx context.Context, c *pop3.Conn, login mailbox.Login, err error) {
		audit.add("%v %+v %#v %s", login, login, login, err)
		auth(ctx, c, login, err)
	}
	server.Config.Hooks = hooks
	server.Start(t)

	client := server.Dial(t)
	for _, command := range []string{
		"PASS " + secret,
		"PASS" + secret,
		secret,
		"USER mrose", "PASS " + secret + "x",
		"USER nobody", "PASS " + secret,
		"USER mrose\x01", "PASS " + secret,
		"AUTH PLAIN " + encoded + "!",
		"AUTH PLAIN " + encoded[:12],
		"AUTH PLAIN AG5vYm9keQB0YW4lc3RhYWYtNw==", // nobody
		"AUTH LOGIN " + encoded,
		"AUTH " + secret,
		"APOP mrose " + secret,
		"APOP nobody c4c9334bac560ecc979e58001b3e22fb",
		"QUIT " + secret,
		"USER mrose", "PASS " + secret,
		"PASS " + secret,
		"DELE " + secret,
		secret,
	} {
		client.Command(command)
	}
	client.Conn().Close()
	<-audit.closed
	server.Close(t)

	text := log.String() + strings.Join(audit.lines, "\n")
	require.NotContains(t, text, secret)
	require.NotContains(t, text, encoded)
	require.NotContains(t, text, "c4c9334bac560ecc979e58001b3e22fb")
	require.Contains(t, text, "mrose")
	require.Contains(t, text, "nobody")
	require.Contains(t, log.String(), "client gone")
}

// Each session leaves one line in the log.
func TestLogHasALineForEachSession(t *testing.T) {
	var log lockedBuffer
	var audit audit
	server := newFakeStore("a\n", "b\n").server()
	server.Logger = slog.New(slog.NewTextHandler(&log, nil))
	server.Hooks = audit.hooks()
	client := loggedIn(t, server)
	client.Multi("RETR 1")
	client.Command("DELE 2")
	client.Quit()
	<-audit.closed
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	for _, want := range []string{"user=demo", "mechanism=USER", "reason=quit", "messages=2", "retr=1", "deleted=1", "tls=false"} {
		require.Contains(t, log.String(), want)
	}

	// A client that says nothing, as a probe does, leaves one at level debug.
	quiet := pipe(t, server)
	quiet.Conn().Close()
	require.Error(t, <-quiet.over)
	<-audit.closed
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
}

// Hooks.Fault hears of an error of Mailbox.Close too.
func TestHooksHearOfACloseThatFails(t *testing.T) {
	var audit audit
	server := newFakeStore("a\n").server()
	server.Hooks = audit.hooks()
	failing := pop3.HandlerFunc(func(ctx context.Context, c *pop3.Conn) (pop3.Session, error) {
		s, err := pop3.Login(pop3test.AnyPassword(), closeFails{newFakeStore("a\n")}).NewSession(ctx, c)
		return s, err
	})
	server.Handler = failing
	client := loggedIn(t, server)
	require.Equal(t, "+OK bye", client.Quit(), "everything that was asked for is done")
	<-audit.closed
	require.Contains(t, strings.Join(audit.lines, "\n"), "fault pop3: close mailbox: unwilling")
}

type closeFails struct{ *fakeStore }

func (s closeFails) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	mb, err := s.fakeStore.Open(ctx, login)
	return unwilling{mb}, err
}

type unwilling struct{ mailbox.Mailbox }

func (unwilling) Close() error { return errors.New("unwilling") }

// lockedBuffer is a log that a test may read while the server writes it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// Hooks.Auth hears once of a login that fails in any method of the host, and
// not of one that the client broke off.
func TestHooksHearOfALoginThatFailsAnywhere(t *testing.T) {
	broken := func(context.Context) error { return errors.New("directory is down") }
	for name, test := range map[string]struct {
		fails point
		say   string
		want  int
	}{
		"Login":                {inLogin, goodLogin, 1},
		"listing":              {inMessages, goodLogin, 1},
		"StartSASL":            {inStartSASL, "AUTH TEST\r\n", 1},
		"Next":                 {inNext, "AUTH TEST\r\n", 1},
		"opening":              {inExchangeOpen, "AUTH TEST\r\n\r\n", 1},
		"cancelled":            {inOpen, "AUTH TEST\r\n*\r\n", 0},
		"not base64":           {inOpen, "AUTH TEST\r\n!\r\n", 0},
		"no mechanism of that": {inOpen, "AUTH XYZZY\r\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			host := newFakeHost("one")
			host.set(test.fails, broken)
			server := insecure(host)
			failed := 0
			server.Hooks = &pop3.Hooks{Auth: func(_ context.Context, _ *pop3.Conn, _ mailbox.Login, err error) {
				require.Error(t, err)
				failed++
			}}
			transcript(t, server, test.say+"QUIT\r\n")
			require.Equal(t, test.want, failed)
		})
	}
}
