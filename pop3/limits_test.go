package pop3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// Each limit and time-out of Server: its default, another value, and none. A
// test's Sleep is one of the bubble's own clock, which takes no time. The test
// of StoreTimeout is in fault_store_test.go.

// timeLimit is a value of a time-out field, and when the session then ends;
// negative: never.
type timeLimit struct{ field, ends time.Duration }

// requireEnds fails the test unless the session ends exactly then, after an
// optional last answer.
func (l timeLimit) requireEnds(t *testing.T, p *piped, began time.Time) {
	t.Helper()
	if l.ends < 0 {
		time.Sleep(1000 * time.Hour)
		synctest.Wait()
		require.Empty(t, p.over, "it ended all the same")
		p.conn.Close()
		require.Error(t, <-p.over)
		return
	}
	err := <-p.over
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Equal(t, l.ends, time.Since(began), "ended after")
}

func TestAuthTimeout(t *testing.T) {
	tlsConfig := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	for name, limit := range map[string]timeLimit{
		"default": {0, 3 * time.Minute},
		"custom":  {10 * time.Second, 10 * time.Second},
		"none":    {-1, -1},
	} {
		for how, act := range map[string]func(*testing.T, *piped, time.Duration){
			"silence":          func(*testing.T, *piped, time.Duration) {},
			"half a login":     func(t *testing.T, p *piped, _ time.Duration) { p.Send("USER demo\r\n"); p.Line(); p.Send("PASS sec") },
			"an AUTH exchange": func(t *testing.T, p *piped, _ time.Duration) { require.Equal(t, "+ ", p.Command("AUTH PLAIN")) },
			"a stalled STLS":   func(t *testing.T, p *piped, _ time.Duration) { require.Equal(t, "+OK begin TLS", p.Command("STLS")) },
			"an octet now and then": func(_ *testing.T, p *piped, pace time.Duration) {
				go func() {
					p.conn.SetWriteDeadline(noDeadline)
					for {
						if _, err := io.WriteString(p.conn, "x"); err != nil {
							return
						}
						time.Sleep(pace)
					}
				}()
			},
			"commands now and then": func(_ *testing.T, p *piped, pace time.Duration) {
				p.conn.SetDeadline(noDeadline)
				go io.Copy(io.Discard, p.conn)
				go func() {
					for {
						if _, err := io.WriteString(p.conn, "CAPA\r\n"); err != nil {
							return
						}
						time.Sleep(pace)
					}
				}()
			},
		} {
			pace := limit.ends / 50
			if limit.ends < 0 {
				pace = 20 * time.Hour
			}
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := insecure(pop3.Login(pop3test.AnyPassword(), new(memory.Store)))
					server.AuthTimeout, server.TLSConfig = limit.field, tlsConfig
					server.MaxLine, server.WriteTimeout = 10_000, -1
					began := time.Now()
					p := pipe(t, server)
					act(t, p, pace)
					limit.requireEnds(t, p, began)
					time.Sleep(pace) // until what act began has noticed
				})
			})
		}
		t.Run(name+", a stalled handshake", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(newHost())
				server.AuthTimeout = limit.field
				client, conn := net.Pipe()
				p := &piped{conn: client, over: make(chan error, 1)}
				began := time.Now()
				go func() { p.over <- server.ServeConn(t.Context(), tls.Server(conn, tlsConfig)) }()
				limit.requireEnds(t, p, began)
			})
		})
		t.Run(name+", over with the login", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(newHost())
				server.AuthTimeout = limit.field
				p := loggedIn(t, server)
				time.Sleep(9 * time.Minute)
				require.Equal(t, "+OK bye", p.Quit())
			})
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	for name, limit := range map[string]timeLimit{
		"default": {0, 10 * time.Minute},
		"custom":  {time.Hour, time.Hour},
		"none":    {-1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newHost("one")
				var info pop3.SessionInfo
				server := insecure(host)
				server.IdleTimeout = limit.field
				server.Hooks = &pop3.Hooks{Close: func(_ *pop3.Conn, i pop3.SessionInfo) { info = i }}
				p := loggedIn(t, server)
				p.Command("DELE 1")
				for range 3 { // each command begins it anew
					time.Sleep(max(limit.ends, 0) * 99 / 100)
					require.Equal(t, "+OK", p.Command("NOOP"))
				}
				began := time.Now()
				p.Send("QUI") // half a command does not
				output := p.hear()
				limit.requireEnds(t, p, began)
				synctest.Wait()
				require.Empty(t, output.String(), "the autologout says nothing (RFC 1939 section 3)")
				require.Empty(t, host.removed(), "and removes nothing")
				if limit.ends > 0 {
					require.Equal(t, "idle", info.Reason)
				}
			})
		})
	}
}

// writeStep is what a client must take within each WriteTimeout, in octets: less
// than the server's own step, for a message whose store gives less at a time.
const writeStep = 128 << 10

func TestWriteTimeout(t *testing.T) {
	body := strings.Repeat(strings.Repeat("x", 70)+"\n", 1<<20/71)
	for name, limit := range map[string]timeLimit{
		"default": {0, 5 * time.Minute},
		"custom":  {time.Second, time.Second},
		"none":    {-1, -1},
	} {
		t.Run(name+", a client that takes nothing", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newHost(body)
				server := insecure(host)
				server.WriteTimeout = limit.field
				p := loggedIn(t, server)
				began := time.Now()
				p.Send("RETR 1\r\n")
				limit.requireEnds(t, p, began)
				host.requireClosed(t)
			})
		})
		if limit.ends < 0 {
			continue
		}
		// Slow is not gone: what counts is that it goes on.
		t.Run(name+", a client that takes a little now and then", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(newHost(body))
				server.WriteTimeout = limit.field
				p := loggedIn(t, server)
				began := time.Now()
				go p.Send("RETR 1\r\nQUIT\r\n")
				var output strings.Builder
				p.conn.SetReadDeadline(noDeadline)
				for {
					time.Sleep(limit.ends / 10)
					if n, _ := io.CopyN(&output, p.conn, writeStep/8); n == 0 {
						break
					}
				}
				require.NoError(t, <-p.over)
				require.True(t, strings.HasSuffix(output.String(), "\r\n.\r\n+OK bye\r\n"))
				require.Greater(t, time.Since(began), 5*limit.ends)
			})
		})
		t.Run(name+", a client that takes too little", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(newHost(body))
				server.WriteTimeout = limit.field
				p := loggedIn(t, server)
				p.Send("RETR 1\r\n")
				p.conn.SetReadDeadline(noDeadline)
				var output strings.Builder
				for {
					time.Sleep(limit.ends / 2)
					if n, _ := io.CopyN(&output, p.conn, 1<<10); n == 0 {
						break
					}
				}
				require.ErrorIs(t, <-p.over, os.ErrDeadlineExceeded)
				require.False(t, strings.HasSuffix(output.String(), "\r\n.\r\n"))
			})
		})
	}
}

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
			// answer is what comes behind the greeting and, where the client
			// awaits one, the challenge.
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
				server := insecure(newHost("one"))
				server.MaxBadCommands = limit
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
				// One that is right makes up for those before it.
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
				server := insecure(pop3.Login(apopSecrets{}, new(memory.Store)))
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

// many is a maildrop of messages that nobody ever opens.
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
			server.Hooks = &pop3.Hooks{Fault: func(*pop3.Conn, error) { faults++ }}
			input := fmt.Sprintf("%sSTAT\r\nUIDL %d\r\nUIDL %d\r\nQUIT\r\n", goodLogin, limit.seen, limit.seen+1)
			conn := newScript([]byte(input), 0)
			server.ServeConn(t.Context(), conn)
			require.Contains(t, conn.out.String(), fmt.Sprintf("+OK %d %d\r\n+OK %d %07d\r\n-ERR no such message\r\n+OK bye\r\n",
				limit.seen, 3*limit.seen, limit.seen, limit.seen-1), "the oldest are shown")
			require.Equal(t, limit.has > limit.seen, faults > 0, "somebody is told")
		})
	}
}

// TestMaxConnections nests the connections within each other: nobody needs ten
// thousand goroutines for that.
func TestMaxConnections(t *testing.T) {
	const refused = "-ERR [SYS/TEMP] too many connections, try again later\r\n"
	for name, limit := range map[string]struct{ field, conns int }{
		"default": {0, 10_000},
		"custom":  {3, 3},
		"none":    {-1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			conns := limit.conns
			if conns < 0 {
				conns = 11_000
			}
			host := newHost()
			server := insecure(host)
			server.MaxConnections = limit.field
			open, last := 0, newScript(nil, 0)
			server.Hooks = &pop3.Hooks{Connect: func(*pop3.Conn) {
				switch open++; {
				case open < conns:
					server.ServeConn(t.Context(), newScript(nil, 0))
				case open == conns:
					server.ServeConn(t.Context(), last)
				}
			}}
			server.ServeConn(t.Context(), newScript(nil, 0))
			if limit.conns < 0 {
				require.NotContains(t, last.out.String(), refused)
			} else {
				require.Equal(t, refused, last.out.String())
			}
			// Those have gone, and there is room again.
			require.NoError(t, server.ServeConn(t.Context(), newScript([]byte("QUIT\r\n"), 0)))
		})
	}
}
