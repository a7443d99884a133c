package pop3_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// A command of the host's own has its states, its capability, and an answer of
// one line or many, which cannot break out of the protocol.
func TestOwnCommands(t *testing.T) {
	host := newFakeHost("one")
	server := insecure(host)
	var verbs []string
	server.Hooks = &pop3.Hooks{Command: func(_ context.Context, _ *pop3.Conn, info pop3.CommandInfo) { verbs = append(verbs, info.Verb) }}
	server.Commands = []pop3.Command{
		{Verb: "ECHO", States: pop3.Authorization | pop3.Transaction, Capability: "ECHO", Run: func(_ context.Context, _ *pop3.Conn, arguments string) (pop3.Reply, error) {
			return pop3.Reply{Text: fmt.Sprintf("%q\r\n+OK", arguments)}, nil
		}},
		{Verb: "XTND", States: pop3.Transaction, Capability: "XTND", Run: func(_ context.Context, c *pop3.Conn, arguments string) (pop3.Reply, error) {
			switch arguments {
			case "LIST":
				return pop3.Reply{Text: "for " + c.User(), Lines: lines("a", ".", ".\r\n.\r\n+OK", "")}, nil
			case "NONE":
				return pop3.Reply{Lines: lines()}, nil
			case "NOTFOUND":
				return pop3.Reply{}, mailbox.ErrNotFound
			case "PANIC":
				panic("here")
			}
			return pop3.Reply{}, &pop3.Error{Text: "no such thing"}
		}},
	}
	require.Equal(t, strings.ReplaceAll(`+OK POP3 server ready <>
-ERR log in first
+OK ""+OK
+OK " de  "+OK
+OK send PASS
+OK maildrop has 1 messages
+OK for demo
a
..
...+OK

.
+OK
.
-ERR no such thing
-ERR no such thing
-ERR no such message
+OK bye
`, "\n", "\r\n"), transcript(t, server, "XTND LIST\r\necho\r\nECHO  de  \r\n"+goodLogin+
		"xtnd LIST\r\nXTND NONE\r\nXTND\r\nXTND x\r\nXTND NOTFOUND\r\nQUIT\r\n"))
	require.Equal(t, []string{"XTND", "ECHO", "ECHO", "USER", "PASS", "XTND", "XTND", "XTND", "XTND", "XTND", "QUIT"}, verbs)

	capabilities := transcript(t, server, "CAPA\r\nQUIT\r\n")
	require.Contains(t, capabilities, "\r\nECHO\r\n")
	require.NotContains(t, capabilities, "XTND")
	require.Contains(t, transcript(t, server, goodLogin+"CAPA\r\nQUIT\r\n"), "\r\nXTND\r\n")
	// "Capabilities available in the AUTHORIZATION state MUST be announced in both
	// states" (RFC 2449 section 5).
	server.Commands[0].States = pop3.Authorization
	require.Contains(t, transcript(t, server, "CAPA\r\nQUIT\r\n"), "\r\nECHO\r\n")
	require.Contains(t, transcript(t, server, goodLogin+"CAPA\r\nQUIT\r\n"), "\r\nECHO\r\n")
	require.True(t, strings.HasSuffix(transcript(t, server, goodLogin+"XTND PANIC\r\nQUIT\r\n"), internalError))
}

// lines are the lines of a response.
func lines(texts ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, text := range texts {
			if !yield(text, nil) {
				return
			}
		}
	}
}

// An error instead of the first line is -ERR; a later one ends the connection
// before the final dot, and so does a client that is gone.
func TestOwnCommandsWhoseLinesFail(t *testing.T) {
	server := insecure(newFakeHost("one"))
	asked := 0
	server.Commands = []pop3.Command{
		{Verb: "XTN0", States: pop3.Transaction, Run: func(context.Context, *pop3.Conn, string) (pop3.Reply, error) {
			return pop3.Reply{Lines: func(yield func(string, error) bool) { yield("", errDisk) }}, nil
		}},
		{Verb: "XTN1", States: pop3.Transaction, Run: func(context.Context, *pop3.Conn, string) (pop3.Reply, error) {
			return pop3.Reply{Lines: func(yield func(string, error) bool) { _ = yield("a", nil) && yield("", errDisk) }}, nil
		}},
		{Verb: "XTN2", States: pop3.Transaction, Run: func(context.Context, *pop3.Conn, string) (pop3.Reply, error) {
			return pop3.Reply{Lines: func(yield func(string, error) bool) {
				for yield(strings.Repeat("x", 500), nil) {
					asked++
				}
			}}, nil
		}},
	}
	answers := transcript(t, server, goodLogin+"NOOP\r\nXTN0\r\nNOOP\r\nXTN1\r\nNOOP\r\n")
	require.True(t, strings.HasSuffix(answers, "+OK\r\n"+temporaryAnswer+"\r\n+OK\r\n+OK\r\na\r\n"), "%q", answers)

	conn := &cutOff{script: *newScript([]byte(goodLogin+"XTN2\r\n"), 0), left: 100_000}
	require.Error(t, server.ServeConn(t.Context(), conn))
	require.Less(t, asked, 1000)
}

// The work of an own command is bounded by StoreTimeout, its lines too.
func TestOwnCommandsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost("one"))
		server.StoreTimeout = time.Second
		var ended error
		server.Commands = []pop3.Command{
			{Verb: "HANG", States: pop3.Transaction, Run: func(ctx context.Context, _ *pop3.Conn, _ string) (pop3.Reply, error) {
				return pop3.Reply{}, hang(ctx)
			}},
			{Verb: "SLOW", States: pop3.Transaction, Run: func(ctx context.Context, _ *pop3.Conn, _ string) (pop3.Reply, error) {
				return pop3.Reply{Lines: func(yield func(string, error) bool) {
					yield("a", nil)
					ended = hang(ctx)
				}}, nil
			}},
		}
		require.Contains(t, transcript(t, server, goodLogin+"HANG\r\nSLOW\r\nQUIT\r\n"), lateAnswer+"\r\n+OK\r\na\r\n.\r\n+OK bye")
		require.ErrorIs(t, ended, context.Canceled)
	})
}

// A command that cannot be one is an error of Serve.
func TestOwnCommandsThatCannotBe(t *testing.T) {
	run := func(context.Context, *pop3.Conn, string) (pop3.Reply, error) { return pop3.Reply{}, nil }
	for want, commands := range map[string][]pop3.Command{
		"there is a command RETR already": {{Verb: "RETR", States: pop3.Transaction, Run: run}},
		"there is a command XTND already": {{Verb: "XTND", States: pop3.Transaction, Run: run}, {Verb: "XTND", States: pop3.Authorization, Run: run}},
		`"xtnd" is no verb`:               {{Verb: "xtnd", States: pop3.Transaction, Run: run}},
		`"X D" is no verb`:                {{Verb: "X D", States: pop3.Transaction, Run: run}},
		`"" is no verb`:                   {{States: pop3.Transaction, Run: run}},
		"XTND needs Run and States":       {{Verb: "XTND", Run: run}},
		"XTNE needs Run and States":       {{Verb: "XTNE", States: pop3.Transaction}},
	} {
		server := insecure(newFakeHost())
		server.Commands = commands
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.ErrorContains(t, server.Serve(listener), want)
		require.ErrorContains(t, server.ServeConn(t.Context(), newScript(nil, 0)), want)
	}
}

// A host takes the connection over: during the login by any method, and by a
// command of its own. It gets what was read ahead, and no deadlines.
func TestHijack(t *testing.T) {
	var taken net.Conn
	// echo takes the connection over and sends back what it reads.
	echo := func(c *pop3.Conn) error {
		nc, reader, err := c.Hijack()
		if err != nil {
			return err
		}
		_, _, again := c.Hijack()
		if again != pop3.ErrHijacked {
			return fmt.Errorf("a second time: %w", again)
		}
		taken = nc
		io.WriteString(nc, "taken over\r\n")
		line, err := reader.ReadString('\n')
		if err != nil {
			return err
		}
		io.WriteString(nc, line)
		return nil
	}
	for how, before := range map[point]string{
		inNewSession:   "",
		inLogin:        "+OK POP3 server ready <>\r\n+OK send PASS\r\n",
		inAPOP:         "+OK POP3 server ready <>\r\n",
		inStartSASL:    "+OK POP3 server ready <>\r\n",
		inNext:         "+OK POP3 server ready <>\r\n",
		inExchangeOpen: "+OK POP3 server ready <>\r\n+ d2hvPw==\r\n",
		inCommand:      "+OK POP3 server ready <>\r\n+OK send PASS\r\n+OK maildrop has 1 messages\r\n",
	} {
		t.Run(string(how), func(t *testing.T) {
			input := map[point]string{inNewSession: "", inLogin: goodLogin, inCommand: goodLogin + "XHIJ\r\n", inStartSASL: "AUTH TEST\r\n",
				inNext: "AUTH TEST\r\n", inExchangeOpen: "AUTH TEST\r\n\r\n", inAPOP: byAPOP[:strings.Index(byAPOP, "STAT")]}[how]
			synctest.Test(t, func(t *testing.T) {
				host := newFakeHost("one")
				server := insecure(host)
				server.StoreTimeout, server.AuthTimeout, server.IdleTimeout = time.Second, time.Second, time.Second
				var conn *pop3.Conn
				var info pop3.SessionInfo
				server.Hooks = &pop3.Hooks{
					Connect: func(_ context.Context, c *pop3.Conn) { conn = c },
					Close:   func(_ context.Context, _ *pop3.Conn, i pop3.SessionInfo) { info = i },
				}
				server.Commands = []pop3.Command{{Verb: "XHIJ", States: pop3.Transaction, Run: func(ctx context.Context, _ *pop3.Conn, _ string) (pop3.Reply, error) {
					return pop3.Reply{Text: "nobody hears this"}, host.hit(ctx, inCommand)
				}}}
				host.set(how, func(ctx context.Context) error {
					if err := echo(conn); err != nil {
						return err
					}
					if err := ctx.Err(); err != nil {
						t.Error("the call of the host has no time limit any more:", err)
					}
					return errDisk // which does not matter
				})
				p := rawPipe(t, server, t.Context())
				output := p.hear()
				io.WriteString(p.conn, input)
				time.Sleep(time.Hour) // no deadline ends it
				synctest.Wait()
				io.WriteString(p.conn, "read ahead\r\n")
				require.NoError(t, <-p.over)
				io.WriteString(taken, "still open\r\n")
				taken.Close()
				synctest.Wait()
				require.Equal(t, before+"taken over\r\nread ahead\r\nstill open\r\n", timestamp.ReplaceAllString(output.String(), "<>"))
				require.Equal(t, pop3.ReasonHijacked, info.Reason)
				host.requireClosed(t)
			})
		})
	}
}

// What the client sent ahead is in the reader.
func TestHijackHasWhatWasReadAhead(t *testing.T) {
	rest := make(chan string, 1)
	server := insecure(newFakeHost("one"))
	server.Commands = []pop3.Command{{Verb: "XHIJ", States: pop3.Authorization, Run: func(_ context.Context, c *pop3.Conn, _ string) (pop3.Reply, error) {
		nc, reader, err := c.Hijack()
		if err != nil {
			return pop3.Reply{}, err
		}
		defer nc.Close()
		octets, err := io.ReadAll(reader)
		rest <- string(octets)
		return pop3.Reply{}, err
	}}}
	require.NoError(t, server.ServeConn(t.Context(), newScript([]byte("CAPA\r\nXHIJ\r\nNOOP\r\nQUIT\r\n"), 0)))
	require.Equal(t, "NOOP\r\nQUIT\r\n", <-rest)
}

// Shutdown waits for a host that has taken a connection over and has not
// returned; Close ends its context, and leaves the connection to it.
func TestHijackAndTheEndOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost("one"))
		taken := make(chan *bufio.Reader, 1)
		server.Commands = []pop3.Command{{Verb: "XHIJ", States: pop3.Authorization, Run: func(ctx context.Context, c *pop3.Conn, _ string) (pop3.Reply, error) {
			nc, reader, err := c.Hijack()
			require.NoError(t, err)
			defer nc.Close()
			taken <- reader
			line, err := reader.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "still heard\r\n", line)
			<-ctx.Done()
			_, err = io.WriteString(nc, "still here\r\n")
			return pop3.Reply{}, err
		}}}
		p := pipe(t, server)
		p.Send("XHIJ\r\n")
		<-taken
		shutdown := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { shutdown <- server.Shutdown(ctx) }()
		synctest.Wait()
		p.Send("still heard\r\n")
		require.Equal(t, "still here", p.Line())
		require.ErrorIs(t, <-shutdown, context.DeadlineExceeded)
		<-p.over
	})
}

// The greeting is the host's, and one line whatever it is.
func TestGreeting(t *testing.T) {
	for greeting, want := range map[string]string{
		"":                        "+OK POP3 server ready <>\r\n",
		"mail.example.org":        "+OK mail.example.org <>\r\n",
		"a\r\n-ERR b":             "+OK a-ERR b <>\r\n",
		"<a@b> not a timestamp":   "+OK a@b not a timestamp <>\r\n",
		strings.Repeat("x", 1000): "",
		strings.Repeat("€", 1000): "",
	} {
		server := insecure(newFakeHost())
		server.Greeting = greeting
		conn := newScript(nil, 0)
		server.ServeConn(t.Context(), conn)
		got := conn.out.String()
		require.LessOrEqual(t, len(got), 512)
		require.Regexp(t, `^\+OK [^\r\n]* <[^<>]*@pop3>\r\n$`, got)
		if want != "" {
			require.Equal(t, want, timestamp.ReplaceAllString(got, "<>"))
		}
	}
}

// The values of the connection's context reach every hook, every line of the
// log, and every call of the host; those of Hooks.Begin reach the calls of one
// command.
func TestContextsReachEverything(t *testing.T) {
	type key string
	host := newFakeHost("Subject: one\n\nbody")
	host.sizes = []int64{-1}
	var calls []string
	note := func(ctx context.Context, where string) {
		connection, _ := ctx.Value(key("connection")).(string)
		command, _ := ctx.Value(key("command")).(string)
		calls = append(calls, where+": "+connection+" "+command)
	}
	for _, p := range []point{inNewSession, inLogin, inMessages, inOpen, inDelete} {
		host.set(p, func(ctx context.Context) error { note(ctx, string(p)); return nil })
	}
	var lines contextHandler
	server := insecure(host)
	server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, key("connection"), "span")
	}
	server.Logger = slog.New(&lines)
	lines.handle = func(ctx context.Context, r slog.Record) { note(ctx, "log "+r.Message) }
	server.Hooks = &pop3.Hooks{
		Connect: func(ctx context.Context, _ *pop3.Conn) { note(ctx, "Connect") },
		Auth:    func(ctx context.Context, _ *pop3.Conn, _ mailbox.Login, _ error) { note(ctx, "Auth") },
		Begin: func(ctx context.Context, _ *pop3.Conn, verb string) context.Context {
			note(ctx, "Begin")
			if verb == "NOOP" {
				return nil
			}
			return context.WithValue(ctx, key("command"), verb)
		},
		Command: func(ctx context.Context, _ *pop3.Conn, info pop3.CommandInfo) { note(ctx, "Command "+info.Verb) },
		Close: func(ctx context.Context, _ *pop3.Conn, _ pop3.SessionInfo) {
			require.NoError(t, ctx.Err())
			note(ctx, "Close")
		},
	}
	require.Contains(t, transcript(t, server, goodLogin+"NOOP\r\nSTAT\r\nDELE 1\r\nQUIT\r\n"), "+OK bye")
	require.Equal(t, []string{
		"log pop3: connect: span ", "Connect: span ", "NewSession: span ",
		"Begin: span ", "log pop3: command: span USER", "Command USER: span USER",
		"Begin: span ", "Login: span PASS", "Messages: span PASS", "Auth: span PASS", "log pop3: login: span PASS",
		"log pop3: command: span PASS", "Command PASS: span PASS",
		"Begin: span ", "log pop3: command: span ", "Command NOOP: span ",
		"Begin: span ", "Open: span STAT", "log pop3: command: span STAT", "Command STAT: span STAT",
		"Begin: span ", "log pop3: command: span DELE", "Command DELE: span DELE",
		"Begin: span ", "Delete: span QUIT", "log pop3: command: span QUIT", "Command QUIT: span QUIT",
		"log pop3: session: span ", "Close: span ",
	}, calls)
}

// contextHandler is a slog.Handler that passes records on with their contexts.
type contextHandler struct {
	handle func(context.Context, slog.Record)
}

func (h *contextHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *contextHandler) Handle(ctx context.Context, r slog.Record) error {
	h.handle(ctx, r)
	return nil
}
func (h *contextHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *contextHandler) WithGroup(string) slog.Handler      { return h }

// One name for the user in all lines and hooks: the authenticated one; for a
// login that failed, the one that was tried, by SASL too. In JSON an address is
// a string, and each line has the ID of its connection.
func TestOneNameForTheUserAndOneIDForTheConnection(t *testing.T) {
	var log lockedBuffer
	var hooked []string
	var id string
	store := newFakeStore("a\n")
	server := pop3test.NewUnstartedServer(t, pop3.Login(pop3.Users{"mrose": "secret"}, store))
	server.Config.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	over := make(chan pop3.SessionInfo, 1)
	server.Config.Hooks = &pop3.Hooks{
		Connect: func(_ context.Context, c *pop3.Conn) { id = c.ID() },
		Auth: func(_ context.Context, c *pop3.Conn, login mailbox.Login, err error) {
			hooked = append(hooked, fmt.Sprintf("%s %q %t", login.User, c.User(), err == nil))
		},
		Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { over <- info },
	}
	server.Start(t)
	client := server.Dial(t)
	client.Command("AUTH PLAIN AG5vYm9keQB3cm9uZw==") // \0nobody\0wrong
	client.Command("USER MROSE")
	client.Command("PASS secret")
	store.openErr = errDisk
	client.Command("RETR 1")
	client.Quit()
	info := <-over
	require.Equal(t, "mrose", info.User)
	require.Equal(t, []string{`nobody "" false`, `mrose "mrose" true`}, hooked)
	server.Close(t)

	require.NotEmpty(t, id)
	decoder := json.NewDecoder(bytes.NewReader([]byte(log.String())))
	n := 0
	for {
		var line struct {
			Msg, Conn, User, Remote string
			Login                   struct{ User, Remote string }
		}
		if err := decoder.Decode(&line); err == io.EOF {
			break
		} else {
			require.NoError(t, err, log.String())
		}
		n++
		require.Equal(t, id, line.Conn, line.Msg)
		switch line.Msg {
		case "pop3: login failed":
			require.Equal(t, "nobody", line.Login.User)
			require.Equal(t, client.Conn().LocalAddr().String(), line.Login.Remote)
		case "pop3: session":
			require.Equal(t, client.Conn().LocalAddr().String(), line.Remote)
			require.Equal(t, "mrose", line.User)
		case "pop3: command failed":
			require.Equal(t, "mrose", line.User)
		}
	}
	require.Equal(t, 3, n, log.String())
}

// CommandInfo.Err is the error behind an -ERR.
func TestCommandInfoHasTheError(t *testing.T) {
	store := newFakeStore("a\n")
	store.openErr = errDisk
	server := store.server()
	errs := make(map[string]error)
	server.Hooks = &pop3.Hooks{Command: func(_ context.Context, _ *pop3.Conn, info pop3.CommandInfo) { errs[info.Verb] = info.Err }}
	transcript(t, server, goodLogin+"RETR 1\r\nDELE 9\r\nNOOP\r\nQUIT\r\n")
	require.ErrorIs(t, errs["RETR"], errDisk)
	require.EqualError(t, errs["DELE"], "no such message")
	require.NoError(t, errs["NOOP"])
	require.NoError(t, errs["QUIT"])
}

// What GetConfigForClient returns gets the same minimum version and the same
// name of ALPN, and may still choose the certificate.
func TestTLSByCallback(t *testing.T) {
	other := pop3test.NewUnstartedServer(t, nil)
	server := pop3test.NewUnstartedServer(t, newFakeHost("one"))
	own := server.Config.TLSConfig
	chosen := &tls.Config{Certificates: other.Config.TLSConfig.Certificates, MinVersion: tls.VersionTLS10, NextProtos: []string{"http/1.1"}}
	var asked []string
	server.Config.TLSConfig = &tls.Config{Certificates: own.Certificates, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		asked = append(asked, hello.ServerName)
		if hello.ServerName == "other" {
			return chosen, nil
		}
		return nil, nil
	}}
	server.Start(t)
	dial := func(config *tls.Config) (tls.ConnectionState, error) {
		conn, err := tls.Dial("tcp", server.AddrTLS, config)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close()
		return conn.ConnectionState(), nil
	}
	state, err := dial(&tls.Config{InsecureSkipVerify: true, ServerName: "other", NextProtos: []string{"pop3"}})
	require.NoError(t, err)
	require.Equal(t, "pop3", state.NegotiatedProtocol)
	require.Equal(t, chosen.Certificates[0].Certificate[0], state.PeerCertificates[0].Raw)
	_, err = dial(&tls.Config{InsecureSkipVerify: true, ServerName: "other", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	require.Error(t, err)
	_, err = dial(&tls.Config{InsecureSkipVerify: true, ServerName: "other", NextProtos: []string{"http/1.1"}})
	require.Error(t, err)
	require.Equal(t, []string{"http/1.1"}, chosen.NextProtos, "the host's own is left as it was")

	state, err = dial(&tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
	require.NoError(t, err)
	require.Equal(t, own.Certificates[0].Certificate[0], state.PeerCertificates[0].Raw)
	client := server.Dial(t)
	client.STLS(&tls.Config{InsecureSkipVerify: true, ServerName: "other", NextProtos: []string{"pop3"}})
	client.Login("demo", "secret")
	require.Equal(t, []string{"other", "other", "other", "localhost", "other"}, asked)
}
