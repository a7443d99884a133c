package pop3_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// hanging is a method of a host that does not return, in a session.
type hanging struct {
	point  point
	input  string
	unsent bool // too late for an -ERR
	ends   bool // the session
}

// The server gives up a store or an authenticator that hangs, in any of its
// methods, after StoreTimeout.
func TestStoreTimeout(t *testing.T) {
	stat := "STAT\r\n"
	for _, test := range []hanging{
		{inNewSession, "", false, true},
		{inLogin, goodLogin, false, false},
		{inMessages, goodLogin, false, false},
		{amidMessages, goodLogin, false, false},
		{inStartSASL, "AUTH TEST\r\n", false, false},
		{inNext, "AUTH TEST\r\n", false, false},
		{inExchangeOpen, "AUTH TEST\r\nAAAA\r\n", false, false},
		{inAPOP, byAPOP[:strings.Index(byAPOP, stat)], false, false},
		{inOpen, goodLogin + "RETR 2\r\n", false, false},
		{inRead, goodLogin + "RETR 2\r\n", false, false},
		{inRead, goodLogin + "TOP 2 1\r\n", false, false},
		{amidRead, goodLogin + "RETR 2\r\n", true, true},
		{inOpen, goodLogin + "STAT\r\n", false, false}, // counts octets
		{amidRead, goodLogin + "LIST 1\r\n", false, false},
		{inDelete, goodLogin + "DELE 1\r\nQUIT\r\n", false, true},
	} {
		for name, limit := range map[string]timeLimit{
			"default": {0, 2 * time.Minute},
			"custom":  {time.Second, time.Second},
			"none":    {-1, -1},
		} {
			if test.point == inDelete && limit.ends < 0 {
				continue // nothing else ends a removal
			}
			t.Run(string(test.point)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					test.requireGivenUp(t, limit)
				})
			})
		}
	}
}

// requireGivenUp fails the test unless the server gives the method up exactly
// when the limit is over, or never.
func (h hanging) requireGivenUp(t *testing.T, limit timeLimit) {
	host := newFakeHost("Subject: one\n\nbody", "Subject: two\n\nbody")
	host.sizes = []int64{-1, 23}
	host.set(h.point, hang)
	server := insecure(host)
	server.StoreTimeout = limit.field
	server.AuthTimeout, server.IdleTimeout, server.WriteTimeout = -1, -1, -1
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := rawPipe(t, server, ctx)
	began := time.Now()
	output := p.hear()
	go io.WriteString(p.conn, h.input)
	synctest.Wait()
	if limit.ends < 0 {
		time.Sleep(1000 * time.Hour) // of the bubble's own clock
		synctest.Wait()
		require.NotContains(t, output.String(), "-ERR")
		cancel()
		require.Error(t, <-p.over)
		host.requireClosed(t)
		return
	}
	time.Sleep(limit.ends - time.Nanosecond)
	synctest.Wait()
	require.NotContains(t, output.String(), "-ERR", "too early")
	require.Empty(t, p.over, "too early")
	time.Sleep(time.Nanosecond)
	synctest.Wait()
	lines := strings.SplitAfter(output.String(), "\r\n")
	if h.unsent {
		require.NotContains(t, output.String(), "-ERR")
		require.NotContains(t, output.String(), "\r\n.\r\n")
	} else {
		answer := lateAnswer
		if h.point == inDelete {
			answer = unsureAnswer
		}
		require.Equal(t, answer+"\r\n", lines[len(lines)-2])
	}
	require.Equal(t, limit.ends, time.Since(began))
	if h.ends {
		require.Error(t, <-p.over)
	} else {
		io.WriteString(p.conn, "QUIT\r\n")
		require.NoError(t, <-p.over)
		synctest.Wait()
		require.Contains(t, output.String(), "+OK bye\r\n")
	}
	require.NoError(t, server.Shutdown(t.Context()))
	require.Empty(t, host.removed())
	host.requireClosed(t)
}

// The clock of StoreTimeout stands still while the server waits for the client.
func TestStoreTimeoutDoesNotCountTheClientsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost(strings.Repeat("x", 1<<20))
		server := insecure(host)
		server.StoreTimeout, server.WriteTimeout = time.Second, -1
		p := loggedIn(t, server)
		p.Send("RETR 1\r\n")
		var message strings.Builder
		p.conn.SetReadDeadline(noDeadline)
		for !strings.HasSuffix(message.String(), "\r\n.\r\n") {
			time.Sleep(time.Hour) // of the bubble's own clock
			_, err := io.CopyN(&message, p.conn, int64(min(32<<10, 1<<20+len("+OK 1048578 octets\r\n\r\n.\r\n")-message.Len())))
			require.NoError(t, err)
		}
		require.Equal(t, "+OK bye", p.Quit())
	})
}

// Each stretch of a message may take StoreTimeout, when it is sent and when it
// is only counted.
func TestStoreTimeoutIsForEachStretch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost("Subject: one\n\nbody")
		host.sizes = []int64{-1}
		slowly := func(ctx context.Context) error {
			select {
			case <-time.After(99 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		host.set(inOpen, func(context.Context) error { return nil })
		host.set(inRead, slowly)
		host.set(amidRead, slowly)
		server := insecure(host)
		server.StoreTimeout = 100 * time.Second
		p := rawPipe(t, server, t.Context())
		output := p.hear()
		io.WriteString(p.conn, goodLogin+"LIST 1\r\nRETR 1\r\nQUIT\r\n")
		require.NoError(t, <-p.over)
		synctest.Wait()
		require.Contains(t, output.String(), "+OK 1 22\r\n+OK 22 octets\r\nSubject: one\r\n\r\nbody\r\n.\r\n+OK bye\r\n")
	})
}

// The time that a client takes to read what was due before is not the store's.
func TestStoreTimeoutBeginsOnceTheClientHasItsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost("one")
		host.set(inOpen, func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(15 * time.Second):
				return nil
			}
		})
		server := insecure(host)
		server.StoreTimeout = 10 * time.Second
		p := loggedIn(t, server)
		p.Send("NOOP\r\nRETR 1\r\n")
		time.Sleep(12 * time.Second)
		require.Equal(t, "+OK", p.Line())
		require.Equal(t, "+OK 5 octets", p.Line())
	})
}
