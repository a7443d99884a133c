package pop3_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// Each time-out of Server: its default, another value, and none. A Sleep within
// a bubble is one of the bubble's own clock and takes no time. The test of
// StoreTimeout is in deadline_test.go.

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

// dawdling are clients that do not log in. Some act at a pace.
var dawdling = map[string]func(*testing.T, *piped, time.Duration){
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
	"empty lines now and then": func(_ *testing.T, p *piped, pace time.Duration) {
		go func() {
			p.conn.SetWriteDeadline(noDeadline)
			for {
				if _, err := io.WriteString(p.conn, "\r\n"); err != nil {
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
}

func TestAuthTimeout(t *testing.T) {
	tlsConfig := pop3test.NewUnstartedServer(t, nil).Config.TLSConfig
	for name, limit := range map[string]timeLimit{
		"default": {0, 3 * time.Minute},
		"custom":  {10 * time.Second, 10 * time.Second},
		"none":    {-1, -1},
	} {
		for how, act := range dawdling {
			pace := limit.ends / 50
			if limit.ends < 0 {
				pace = 20 * time.Hour
			}
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := insecure(pop3.Login(pop3test.AnyPassword(), new(memory.Store)))
					server.AuthTimeout, server.TLSConfig = limit.field, tlsConfig
					server.HandshakeTimeout = -1
					server.MaxLine, server.WriteTimeout = 10_000, -1
					began := time.Now()
					p := pipe(t, server)
					act(t, p, pace)
					limit.requireEnds(t, p, began)
					time.Sleep(pace) // until the goroutines of the client have ended
				})
			})
		}
		t.Run(name+", a stalled handshake", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(newFakeHost())
				server.AuthTimeout, server.HandshakeTimeout = limit.field, -1
				client, conn := net.Pipe()
				p := &piped{conn: client, over: make(chan error, 1)}
				began := time.Now()
				go func() { p.over <- server.ServeConn(t.Context(), tls.Server(conn, tlsConfig)) }()
				limit.requireEnds(t, p, began)
			})
		})
		t.Run(name+", over with the login", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(newFakeHost())
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
				host := newFakeHost("one")
				var info pop3.SessionInfo
				server := insecure(host)
				server.IdleTimeout = limit.field
				server.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, i pop3.SessionInfo) { info = i }}
				p := loggedIn(t, server)
				p.Command("DELE 1")
				for range 3 { // each command starts the clock anew
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
					require.EqualValues(t, "idle", info.Reason)
				}
			})
		})
	}
}

// writeStep is how many octets a client must read within each WriteTimeout:
// less than the server's own writeStep, since these messages are read in
// smaller stretches.
const writeStep = 128 << 10

func TestWriteTimeout(t *testing.T) {
	body := strings.Repeat(strings.Repeat("x", 70)+"\n", 1<<20/71)
	for name, limit := range map[string]timeLimit{
		"default": {0, 5 * time.Minute},
		"custom":  {time.Second, time.Second},
		"none":    {-1, -1},
	} {
		for client, run := range map[string]func(*testing.T, *fakeHost, timeLimit){
			"takes nothing":              takeNothing,
			"takes a little at a time":   takeLittle,
			"takes too little at a time": takeTooLittle,
		} {
			if limit.ends < 0 && client != "takes nothing" {
				continue // no pace is too slow
			}
			t.Run(name+", a client that "+client, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { run(t, newFakeHost(body), limit) })
			})
		}
	}
}

func takeNothing(t *testing.T, host *fakeHost, limit timeLimit) {
	server := insecure(host)
	server.WriteTimeout = limit.field
	p := loggedIn(t, server)
	began := time.Now()
	p.Send("RETR 1\r\n")
	limit.requireEnds(t, p, began)
	host.requireClosed(t)
}

// A slow client is not cut off as long as it goes on.
func takeLittle(t *testing.T, host *fakeHost, limit timeLimit) {
	server := insecure(host)
	server.WriteTimeout = limit.field
	p := loggedIn(t, server)
	began := time.Now()
	go p.Send("RETR 1\r\nQUIT\r\n")
	output := p.take(writeStep/8, limit.ends/10)
	require.NoError(t, <-p.over)
	require.True(t, strings.HasSuffix(output, "\r\n.\r\n+OK bye\r\n"))
	require.Greater(t, time.Since(began), 5*limit.ends)
}

func takeTooLittle(t *testing.T, host *fakeHost, limit timeLimit) {
	server := insecure(host)
	server.WriteTimeout = limit.field
	p := loggedIn(t, server)
	p.Send("RETR 1\r\n")
	output := p.take(1<<10, limit.ends/2)
	require.ErrorIs(t, <-p.over, os.ErrDeadlineExceeded)
	require.False(t, strings.HasSuffix(output, "\r\n.\r\n"))
}

// take reads octets at a time, with a pause before each, until the connection
// ends.
func (p *piped) take(octets int64, pause time.Duration) string {
	var output strings.Builder
	p.conn.SetReadDeadline(noDeadline)
	for {
		time.Sleep(pause)
		if n, _ := io.CopyN(&output, p.conn, octets); n == 0 {
			return output.String()
		}
	}
}

// RFC 1939 section 3: the inactivity timer "MUST be of at least 10 minutes'
// duration"; before the login it is shorter.
func TestTimersOfTheZeroValue(t *testing.T) {
	store := newFakeStore("a\n")
	var conn *tap
	client := rawPipe(t, store.server(), context.Background(), func(c net.Conn) net.Conn {
		conn = &tap{Conn: c}
		return conn
	}).greeted(t)
	last := func() time.Duration {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return conn.readDeadlines[len(conn.readDeadlines)-1]
	}
	client.Command("NOOP")
	client.Command("NOOP")
	require.InDelta(t, 3*time.Minute, last(), float64(time.Minute))
	client.Login("mrose", "secret")
	client.Command("NOOP")
	client.Command("NOOP")
	require.InDelta(t, 10*time.Minute, last(), float64(time.Minute))
}

// RFC 1939 section 3: when the timer expires "the session does NOT enter the
// UPDATE state--the server should close the TCP connection without removing any
// messages or sending any response to the client".
func TestAutologoutSaysAndRemovesNothing(t *testing.T) {
	store := newFakeStore("a\n")
	server := store.server()
	server.IdleTimeout = 100 * time.Millisecond
	var audit audit
	server.Hooks = audit.hooks()
	client := loggedIn(t, server)
	require.Equal(t, "+OK message 1 deleted", client.Command("DELE 1"))
	client.ExpectClosed()
	require.EqualValues(t, "idle", (<-audit.closed).Reason)
	require.NotContains(t, store.history(), "delete id-1")
}

// The time for the login begins with the connection, and no command prolongs
// it.
func TestNoLoginInTimeEndsTheConnection(t *testing.T) {
	server := newFakeStore().server()
	server.AuthTimeout = 100 * time.Millisecond
	server.IdleTimeout = -1
	var audit audit
	server.Hooks = audit.hooks()
	client := pipe(t, server)
	client.ExpectClosed()
	require.ErrorIs(t, <-client.over, os.ErrDeadlineExceeded)
	require.EqualValues(t, "no login in time", (<-audit.closed).Reason)
}
