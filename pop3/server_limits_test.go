package pop3_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// Each limit of Server: its default, another value, and none.

// lengthLimit is a value of a field, and the longest line in octets; negative:
// none.
type lengthLimit struct{ field, octets int }

const tooLong = "-ERR line too long\r\n"

func TestMaxLine(t *testing.T) {
	const hello = "+OK POP3 server ready\r\n"
	for name, limit := range map[string]lengthLimit{
		"default":           {0, 2048},
		"custom":            {255, 255},
		"below the buffer":  {511, 511},
		"as the buffer":     {512, 512},
		"above the buffer":  {513, 513},
		"more than default": {100_000, 100_000},
		"none":              {-1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			answer := func(line string) string {
				server := insecure(pop3.Login(pop3test.AnyPassword(), new(memory.Store)))
				server.MaxLine = limit.field
				conn := newScript([]byte(line+"QUIT\r\n"), 0)
				server.ServeConn(t.Context(), conn)
				after, found := strings.CutPrefix(conn.out.String(), hello)
				require.True(t, found)
				return after
			}
			for _, end := range []string{"\r\n", "\n"} {
				if limit.octets < 0 {
					require.Equal(t, "-ERR unknown command\r\n+OK bye\r\n", answer(strings.Repeat("x", 1<<20)+end))
					continue
				}
				longest := strings.Repeat("x", limit.octets-len(end))
				require.Equal(t, "-ERR unknown command\r\n+OK bye\r\n", answer(longest+end))
				require.Equal(t, tooLong, answer("x"+longest+end))
			}
		})
	}
}

func TestMaxSASL(t *testing.T) {
	for name, limit := range map[string]lengthLimit{
		"default":              {0, 65536},
		"custom":               {8192, 8192},
		"shorter than MaxLine": {600, 600},
		"none":                 {-1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			// answer returns what comes after the greeting and the challenge.
			answer := func(input string) string {
				server := insecure(pop3.Login(pop3test.AnyPassword(), new(memory.Store)))
				server.MaxSASL = limit.field
				conn := newScript([]byte(input+"QUIT\r\n"), 0)
				server.ServeConn(t.Context(), conn)
				_, after, _ := strings.Cut(conn.out.String(), "\r\n")
				return strings.TrimPrefix(after, "+ \r\n")
			}
			const refused = "-ERR not base64\r\n+OK bye\r\n"
			lineOf := func(begin string, octets int) string {
				return begin + strings.Repeat("!", octets-len(begin)-2) + "\r\n"
			}
			if limit.octets < 0 {
				require.Equal(t, refused, answer("AUTH PLAIN\r\n"+lineOf("", 1<<20)))
				require.Equal(t, refused, answer(lineOf("AUTH PLAIN ", 1<<20)))
				return
			}
			require.Equal(t, refused, answer("AUTH PLAIN\r\n"+lineOf("", limit.octets)))
			require.Equal(t, tooLong, answer("AUTH PLAIN\r\n"+lineOf("", limit.octets+1)))
			command := max(limit.octets, 2048) // a command may be as long as any other
			require.Equal(t, refused, answer(lineOf("AUTH PLAIN ", command)))
			require.Equal(t, tooLong, answer(lineOf("AUTH PLAIN ", command+1)))
		})
	}
}

func TestMaxBadCommands(t *testing.T) {
	for name, limit := range map[string]struct{ field, before, after int }{
		"default":    {0, 5, 20},
		"custom":     {10, 5, 10},
		"small":      {3, 3, 3},
		"none at it": {1, 1, 1},
		"none":       {-1, -1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(prefix string, greetings, limit int) {
				server := insecure(newFakeHost("one"))
				server.MaxBadCommands, server.MaxRefused = limit, -1
				if name == "default" {
					server.MaxBadCommands = 0
				} else if name == "custom" {
					server.MaxBadCommands = 10
				}
				run := func(input string) []string {
					conn := newScript([]byte(prefix+input), 0)
					server.ServeConn(t.Context(), conn)
					return strings.SplitAfter(conn.out.String(), "\r\n")[greetings:]
				}
				const bad, good, over = "-ERR unknown command\r\n", "+OK bye\r\n", "-ERR too many bad commands\r\n"
				if limit < 0 {
					answers := run(strings.Repeat("XYZZY\r\n", 1000) + "QUIT\r\n")
					require.Equal(t, strings.Repeat(bad, 1000)+good, strings.Join(answers, ""))
					return
				}
				answers := run(strings.Repeat("XYZZY\r\n", limit-1) + "QUIT\r\n")
				require.Equal(t, strings.Repeat(bad, limit-1)+good, strings.Join(answers, ""))
				answers = run(strings.Repeat("XYZZY\r\n", limit) + "QUIT\r\n")
				require.Equal(t, strings.Repeat(bad, limit-1)+over, strings.Join(answers, ""))
				// A right one starts the count anew.
				answers = run(strings.Repeat(strings.Repeat("XYZZY\r\n", limit-1)+"CAPA\r\n", 3) + "QUIT\r\n")
				require.Equal(t, 3*(limit-1), strings.Count(strings.Join(answers, ""), bad))
				require.NotContains(t, answers, over)
				require.Contains(t, answers, good)
			}
			check("", 1, limit.before)
			check(goodLogin, 3, limit.after)
		})
	}
}

func TestMistakesCountForMaxRefused(t *testing.T) {
	server := insecure(newFakeHost("one"))
	server.MaxBadCommands, server.MaxRefused = -1, 10
	conn := newScript([]byte(goodLogin+strings.Repeat("RETR\r\n", 20)), 0)
	server.ServeConn(t.Context(), conn)
	require.Equal(t, 9, strings.Count(conn.out.String(), "-ERR message number missing\r\n"))
	require.Contains(t, conn.out.String(), "-ERR too many bad commands\r\n")
}

func TestMaxAuthTries(t *testing.T) {
	for name, limit := range map[string]struct{ field, tries int }{
		"default": {0, 5},
		"custom":  {2, 2},
		"one":     {1, 1},
		"none":    {-1, -1},
	} {
		for how, input := range map[string]string{
			"PASS":  "USER demo\r\nPASS wrong\r\n",
			"PLAIN": "AUTH PLAIN AGRlbW8Ad3Jvbmc=\r\n",
			"APOP":  "APOP demo 0123456789abcdef0123456789abcdef\r\n",
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				server := insecure(pop3.Login(demo, new(memory.Store)))
				server.MaxAuthTries = limit.field
				tries := limit.tries
				if tries < 0 {
					tries = 1000
				}
				conn := newScript([]byte(strings.Repeat(input, tries)+"QUIT\r\n"), 0)
				server.ServeConn(t.Context(), conn)
				output := conn.out.String()
				if limit.tries < 0 {
					require.Equal(t, tries, strings.Count(output, "-ERR [AUTH] authentication failed\r\n"))
					require.True(t, strings.HasSuffix(output, "+OK bye\r\n"))
					return
				}
				require.Equal(t, tries-1, strings.Count(output, "-ERR [AUTH] authentication failed\r\n"))
				require.True(t, strings.HasSuffix(output, "-ERR [AUTH] too many failed logins\r\n"), "%q", output)
			})
		}
	}
}

// many is a mailbox of many messages, none of which can be opened.
type many struct{ messages int }

func (m many) NewSession(context.Context, *pop3.Conn) (pop3.Session, error)  { return m, nil }
func (m many) Login(context.Context, mailbox.Login) (mailbox.Mailbox, error) { return m, nil }
func (m many) Delete(context.Context, []string) error                        { return nil }
func (m many) Close() error                                                  { return nil }
func (m many) Open(context.Context, string, mailbox.OpenOptions) (io.ReadCloser, error) {
	return nil, mailbox.ErrNotFound
}

func (m many) Messages(context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		for i := range m.messages {
			if !yield(mailbox.Message{ID: fmt.Sprintf("%07d", i), Size: 3}, nil) {
				return
			}
		}
	}
}

func TestMaxMessages(t *testing.T) {
	for name, limit := range map[string]struct{ field, has, seen int }{
		"default":         {0, 1_000_001, 1_000_000},
		"custom":          {3, 4, 3},
		"custom, reached": {3, 3, 3},
		"none":            {-1, 1_000_001, 1_000_001},
	} {
		t.Run(name, func(t *testing.T) {
			faults := 0
			server := insecure(many{limit.has})
			server.MaxMessages = limit.field
			server.Hooks = &pop3.Hooks{Fault: func(context.Context, *pop3.Conn, error) { faults++ }}
			input := fmt.Sprintf("%sSTAT\r\nUIDL %d\r\nUIDL %d\r\nQUIT\r\n", goodLogin, limit.seen, limit.seen+1)
			conn := newScript([]byte(input), 0)
			server.ServeConn(t.Context(), conn)
			require.Contains(t, conn.out.String(), fmt.Sprintf("+OK %d %d\r\n+OK %d %07d\r\n-ERR no such message\r\n+OK bye\r\n",
				limit.seen, 3*limit.seen, limit.seen, limit.seen-1), "the oldest are shown")
			require.Equal(t, limit.has > limit.seen, faults > 0, "Hooks.Fault hears of the rest")
		})
	}
}

func TestMaxConnections(t *testing.T) {
	const refused = "-ERR [SYS/TEMP] too many connections, try again later\r\n"
	for name, limit := range map[string]struct{ field, conns int }{
		"default": {0, netserver.DefaultConnections()},
		"custom":  {3, 3},
		"none":    {-1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			conns := limit.conns
			if conns < 0 {
				conns = 11_000
			}
			server := insecure(newFakeHost())
			server.MaxConnections, server.MaxBeforeLogin = limit.field, -1
			open, last := 0, newScript([]byte(goodLogin), 0)
			server.Hooks = &pop3.Hooks{Auth: func(context.Context, *pop3.Conn, mailbox.Login, error) {
				switch open++; {
				case open < conns:
					server.ServeConn(t.Context(), newScript([]byte(goodLogin), 0))
				case open == conns:
					server.ServeConn(t.Context(), last)
				}
			}}
			server.ServeConn(t.Context(), newScript([]byte(goodLogin), 0))
			if limit.conns < 0 {
				require.NotContains(t, last.out.String(), refused)
			} else {
				require.Equal(t, refused, last.out.String())
			}
			// They have ended, and there is room again.
			require.NoError(t, server.ServeConn(t.Context(), newScript([]byte("QUIT\r\n"), 0)))
		})
	}
}

// MaxAuthTries counts failed logins, by USER and by PLAIN; five is the default.
// An exchange that the client cancels does not count, nor does a failure of the
// host.
func TestFailedLoginsEndTheConnection(t *testing.T) {
	fail := func(c *piped, i int) string {
		if i%2 == 0 {
			return c.Command("AUTH PLAIN AG1yb3NlAHdyb25n")
		}
		c.Command("USER mrose")
		return c.Command("PASS wrong")
	}
	for setting, tries := range map[int]int{0: 5, 1: 1, 3: 3} {
		server := &pop3.Server{
			Handler:           pop3.Login(pop3.Users{"mrose": "secret"}, newFakeStore()),
			AllowInsecureAuth: true, MaxAuthTries: setting, Brake: pop3.NoBrake,
		}
		client := pipe(t, server)
		for i := range tries - 1 {
			require.Equal(t, authAnswer, fail(client, i), "%d of %d", i+1, tries)
			client.Command("AUTH PLAIN *")
			client.Command("CAPA")
			client.Body()
		}
		require.Equal(t, "-ERR [AUTH] too many failed logins", fail(client, tries))
		client.ExpectClosed()
	}

	server := &pop3.Server{
		Handler:           pop3.Login(pop3.Users{"mrose": "secret"}, newFakeStore()),
		AllowInsecureAuth: true, MaxAuthTries: -1, Brake: pop3.NoBrake,
	}
	client := pipe(t, server)
	for i := range 100 {
		require.Equal(t, authAnswer, fail(client, i))
	}

	store := newFakeStore()
	store.storeErr = mailbox.ErrTemporary
	client = pipe(t, store.server())
	for range 20 {
		client.Command("USER mrose")
		require.Equal(t, temporaryAnswer, client.Command("PASS secret"), "an outage does not count")
	}
}

// MaxBadCommands counts wrong commands in a row: 20 by default, 5 before the
// login.
func TestWrongCommandsEndTheConnection(t *testing.T) {
	for setting, limits := range map[int][2]int{0: {5, 20}, 3: {3, 3}, 10: {5, 10}} {
		server := newFakeStore().server()
		server.MaxBadCommands = setting
		client := pipe(t, server)
		for i, limit := range limits {
			if i == 1 {
				client = pipe(t, server)
				client.Login("mrose", "secret")
			}
			for range limit - 1 {
				require.Equal(t, "-ERR unknown command", client.Command("XYZZY"))
			}
			client.Command("CAPA") // starts the count anew
			client.Body()
			for range limit - 1 {
				require.Equal(t, "-ERR unknown command", client.Command("XYZZY"))
			}
			require.Equal(t, "-ERR too many bad commands", client.Command("XYZZY"))
			client.ExpectClosed()
		}
	}
}
