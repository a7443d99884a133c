package lmtp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// Each limit of Server: its default, another value, and none.

// timeLimit is a value of a field, and what it means; negative: none.
type timeLimit struct{ field, means time.Duration }

// aDay is longer than any default.
const aDay = 24 * time.Hour

func timeLimits(standard time.Duration) map[string]timeLimit {
	return map[string]timeLimit{"default": {0, standard}, "custom": {7 * time.Second, 7 * time.Second}, "none": {-1, aDay}}
}

// eachTime runs a test in a bubble for each value of a time-out.
func eachTime(t *testing.T, standard time.Duration, test func(t *testing.T, field, means time.Duration)) {
	for name, limit := range timeLimits(standard) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, limit.field, limit.means) })
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	eachTime(t, 5*time.Minute, func(t *testing.T, field, means time.Duration) {
		r := newServer(lmtp.LMTP)
		r.IdleTimeout = field
		d, over := r.pipe(t)
		d.hello(lmtp.LMTP)
		time.Sleep(means - time.Second)
		d.play("C: NOOP\nS: 250 *")
		began := time.Now()
		if field < 0 {
			time.Sleep(aDay)
			d.play("C: QUIT\nS: 221 *\nS: EOF")
			require.NoError(t, <-over)
			return
		}
		d.play("S: 421 4.4.2 Idle for too long\nS: EOF")
		require.Equal(t, means, time.Since(began))
		require.ErrorIs(t, <-over, os.ErrDeadlineExceeded)
	})
}

func TestHandshakeTimeout(t *testing.T) {
	eachTime(t, 30*time.Second, func(t *testing.T, field, means time.Duration) {
		r := newServer(lmtp.SMTP)
		withTLS(t)(r)
		r.HandshakeTimeout = field
		d, over := r.pipe(t)
		d.hello(lmtp.SMTP)
		d.play("C: STARTTLS\nS: 220 *")
		began := time.Now()
		if field < 0 {
			time.Sleep(aDay)
			d.conn.Close()
			require.ErrorIs(t, <-over, io.EOF)
			return
		}
		require.ErrorIs(t, <-over, os.ErrDeadlineExceeded)
		require.Equal(t, means, time.Since(began))
		require.EqualValues(t, 1, r.Stats().FailedHandshakes)
	})
}

func TestWriteTimeout(t *testing.T) {
	eachTime(t, 5*time.Minute, func(t *testing.T, field, means time.Duration) {
		r := newServer(lmtp.SMTP)
		r.WriteTimeout = field
		var info lmtp.SessionInfo
		r.Hooks = &lmtp.Hooks{Close: func(_ context.Context, _ *lmtp.Conn, i lmtp.SessionInfo) { info = i }}
		d, over := r.pipe(t) // reads nothing, not even the greeting
		began := time.Now()
		if field < 0 {
			time.Sleep(aDay)
			d.conn.Close()
			require.ErrorIs(t, <-over, io.ErrClosedPipe)
			return
		}
		require.ErrorIs(t, <-over, os.ErrDeadlineExceeded)
		require.Equal(t, means, time.Since(began))
		require.Equal(t, lmtp.ReasonClientGone, info.Reason)
	})
}

// slowHost is a directory and a store that take their time.
type slowHost struct {
	lookup, part, end time.Duration
}

func (h slowHost) Lookup(ctx context.Context, _ string) (string, error) {
	return "alice", pause(ctx, h.lookup)
}

func (h slowHost) Append(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	var octet [1]byte
	for {
		_, err := body.Read(octet[:])
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := pause(ctx, h.part); err != nil {
			return nil, err
		}
	}
	return make([]mailbox.Result, len(delivery.Recipients)), pause(ctx, h.end)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// StoreTimeout bounds the directory, each part of a message, and the end of a
// delivery, and not the client.
func TestStoreTimeout(t *testing.T) {
	eachTime(t, 2*time.Minute, func(t *testing.T, field, means time.Duration) {
		within := means - time.Second
		if field < 0 {
			within = aDay
		}
		try := func(host slowHost, script string) {
			r := newServer(lmtp.SMTP)
			r.Directory, r.Appender, r.StoreTimeout = host, host, field
			d, over := r.pipe(t)
			d.hello(lmtp.SMTP)
			d.play(script + "C: QUIT\nS: 221 *\nS: EOF")
			require.NoError(t, <-over)
		}
		const begin = "C: MAIL FROM:<a@b>\nS: 250 *\nC: RCPT TO:<alice@x>\n"
		const message = begin + "S: 250 *\nC: DATA\nS: 354 *\nC: xyz\nC: .\n"
		try(slowHost{lookup: within, part: within, end: within}, message+"S: 250 2.0.0 *\n")
		if field < 0 {
			return
		}
		const late = "S: 451 4.3.0 This takes too long, try again later\n"
		try(slowHost{lookup: means + time.Second}, begin+late)
		try(slowHost{part: means + time.Second}, message+late)
		try(slowHost{end: means + time.Second}, message+late)

		// A client that is slow, and a host that takes its time in between.
		r := newServer(lmtp.SMTP)
		host := slowHost{part: within}
		r.Directory, r.Appender, r.StoreTimeout, r.IdleTimeout = host, host, field, -1
		d, over := r.pipe(t)
		d.hello(lmtp.SMTP)
		d.play(begin + "S: 250 *\nC: DATA\nS: 354 *\n")
		for range 3 {
			time.Sleep(3 * means)
			d.play("R: \"x\"")
		}
		time.Sleep(3 * means)
		d.play("R: \"\\r\\n.\\r\\n\"\nS: 250 *\nC: QUIT\nS: 221 *\nS: EOF")
		require.NoError(t, <-over)
	})
}

// countLimits are the values of a limit that counts.
func countLimits(standard int) map[string][2]int {
	return map[string][2]int{"default": {0, standard}, "custom": {3, 3}, "none": {-1, -1}}
}

func TestMaxRecipients(t *testing.T) {
	for name, limit := range countLimits(1000) {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			r.MaxRecipients = limit[0]
			n := limit[1]
			if n < 0 {
				n = 5000
			}
			conn := &script{input: "EHLO x\r\nMAIL FROM:<>\r\n" + strings.Repeat("RCPT TO:<alice@x>\r\n", n+1) + "DATA\r\nx\r\n.\r\nQUIT\r\n"}
			require.NoError(t, r.ServeConn(t.Context(), conn))
			out := conn.out.String()
			if limit[1] < 0 {
				require.Equal(t, n+1, strings.Count(out, "250 2.1.5 OK\r\n"))
				return
			}
			require.Equal(t, n, strings.Count(out, "250 2.1.5 OK\r\n"))
			require.Equal(t, 1, strings.Count(out, "452 4.5.3 Too many recipients"))
			require.Contains(t, out, "250 2.0.0 OK: delivered")
		})
	}
}

func TestMaxHops(t *testing.T) {
	for name, limit := range countLimits(100) {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			r.MaxHops, r.MaxMessageSize = limit[0], -1
			n := limit[1]
			if n < 0 {
				n = 5000
			}
			answer := func(hops int) string {
				conn := &script{input: "EHLO x\r\n" + envelope + "DATA\r\n" + received(hops) + "\r\n.\r\nQUIT\r\n"}
				require.NoError(t, r.ServeConn(t.Context(), conn))
				return conn.out.String()
			}
			require.Contains(t, answer(n), "250 2.0.0 OK: delivered")
			if limit[1] < 0 {
				require.Contains(t, answer(n+1), "250 2.0.0 OK: delivered")
			} else {
				require.Contains(t, answer(n+1), "554 5.4.6 ")
			}
		})
	}
}

func TestMaxMessageSize(t *testing.T) {
	for name, limit := range map[string][2]int64{
		"default": {0, mailbox.DefaultMaxMessageSize}, "custom": {1000, 1000}, "none": {-1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			r.MaxMessageSize = limit[0]
			answer := func(size string) string {
				conn := &script{input: "EHLO x\r\nMAIL FROM:<a@b> SIZE=" + size + "\r\nQUIT\r\n"}
				require.NoError(t, r.ServeConn(t.Context(), conn))
				return conn.out.String()
			}
			if limit[1] < 0 {
				require.Contains(t, answer("9223372036854775807"), "250 2.1.0 ")
				conn := &script{input: "EHLO x\r\n" + envelope + "DATA\r\nx\r\n.\r\nQUIT\r\n"}
				require.NoError(t, r.ServeConn(t.Context(), conn))
				require.Contains(t, conn.out.String(), "250 2.0.0 OK: delivered ")
				return
			}
			require.Contains(t, answer("0"), "SIZE "+itoa(int(limit[1]))+"\r\n")
			require.Contains(t, answer(itoa(int(limit[1]))), "250 2.1.0 ")
			require.Contains(t, answer(itoa(int(limit[1])+1)), "552 5.3.4 ")
		})
	}
}

func TestMaxBadCommands(t *testing.T) {
	for name, limit := range countLimits(20) {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			r.MaxBadCommands, r.MaxRefused = limit[0], -1
			run := func(input string) string {
				conn := &script{input: "EHLO x\r\n" + input + "QUIT\r\n"}
				r.ServeConn(t.Context(), conn)
				return conn.out.String()
			}
			const over = "421 4.7.0 Too many bad commands\r\n"
			if limit[1] < 0 {
				require.NotContains(t, run(strings.Repeat("XYZZY\r\n", 1000)), over)
				return
			}
			few := strings.Repeat("XYZZY\r\n", limit[1]-1)
			require.NotContains(t, run(few), over)
			require.NotContains(t, run(few+"NOOP\r\n"+few), over, "a right one starts the count anew")
			require.True(t, strings.HasSuffix(run(few+"RCPT\r\nNOOP\r\n"), over))
		})
	}
}

// Who guesses addresses is sent away, though each guess is a good command.
func TestMaxRefused(t *testing.T) {
	for name, limit := range countLimits(1000) {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			r.MaxRefused = limit[0]
			run := func(guesses int) string {
				conn := &script{input: "EHLO x\r\nMAIL FROM:<>\r\n" + strings.Repeat("RCPT TO:<x@x>\r\n", guesses) + "QUIT\r\n"}
				r.ServeConn(t.Context(), conn)
				return conn.out.String()
			}
			const over = "421 4.7.0 Too many bad commands\r\n"
			if limit[1] < 0 {
				require.NotContains(t, run(5000), over)
				return
			}
			require.NotContains(t, run(limit[1]-1), over)
			require.True(t, strings.HasSuffix(run(limit[1]), over))
		})
	}
}

// A host that fails does not use up what a client may do wrong.
func TestErrorsOfTheHostDoNotCount(t *testing.T) {
	r := newServer(lmtp.SMTP)
	r.MaxRefused, r.MaxBadCommands = 3, 3
	r.Directory = directoryFunc(func(string) (string, error) { return "", errors.New("down") })
	conn := &script{input: "EHLO x\r\nMAIL FROM:<>\r\n" + strings.Repeat("RCPT TO:<x@x>\r\n", 50) + "QUIT\r\n"}
	require.NoError(t, r.ServeConn(t.Context(), conn))
	require.Equal(t, 50, strings.Count(conn.out.String(), "451 4.3.0 "))
}

func TestMaxConnections(t *testing.T) {
	for name, limit := range countLimits(netserver.DefaultConnections()) {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			r.MaxConnections, r.MaxWaiting = limit[0], -1
			n := limit[1]
			if n < 0 {
				n = 11_000
			}
			// Each connection has a message under way, so that none makes room.
			open, last := 0, &script{}
			r.Appender = appenderFunc(func() {
				switch open++; {
				case open < n:
					r.ServeConn(t.Context(), &script{input: "EHLO x\r\n" + envelope + "DATA\r\n.\r\n"})
				case open == n:
					r.ServeConn(t.Context(), last)
				}
			})
			r.ServeConn(t.Context(), &script{input: "EHLO x\r\n" + envelope + "DATA\r\n.\r\n"})
			refused := "421 4.7.0 Too many connections, try again later\r\n"
			if limit[1] < 0 {
				require.NotContains(t, last.out.String(), refused)
			} else {
				require.Equal(t, refused, last.out.String())
			}
			require.NoError(t, r.ServeConn(t.Context(), &script{input: "QUIT\r\n"}), "there is room again")
		})
	}
}

// appenderFunc is a store that does something, and has the message.
type appenderFunc func()

func (f appenderFunc) Append(_ context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, err
	}
	f()
	return make([]mailbox.Result, len(delivery.Recipients)), nil
}

// A connection without a message under way makes room for a newer one, and one
// that has a message does not.
func TestMaxWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newServer(lmtp.LMTP)
		r.MaxConnections = 4 // so that two may wait
		busy, busyOver := r.pipe(t)
		busy.hello(lmtp.LMTP)
		busy.play(toAlice + "C: DATA\nS: 354 *\nC: one")
		first, firstOver := r.pipe(t)
		first.hello(lmtp.LMTP)
		second, secondOver := r.pipe(t)
		second.hello(lmtp.LMTP)
		third, thirdOver := r.pipe(t)
		third.hello(lmtp.LMTP)
		require.ErrorContains(t, <-firstOver, "this one made room")
		second.play("C: NOOP\nS: 250 *")
		require.Equal(t, lmtp.Stats{Open: 3, Waiting: 2, TurnedAway: 1}, r.Stats())

		// After its message the busy one waits as the others do, and the longest
		// goes first.
		busy.play("C: .\n" + ok(lmtp.LMTP))
		synctest.Wait()
		fourth, _ := r.pipe(t)
		fourth.hello(lmtp.LMTP)
		require.ErrorContains(t, <-secondOver, "this one made room")
		fifth, _ := r.pipe(t)
		fifth.hello(lmtp.LMTP)
		require.ErrorContains(t, <-thirdOver, "this one made room")
		sixth, _ := r.pipe(t)
		sixth.hello(lmtp.LMTP)
		require.ErrorContains(t, <-busyOver, "this one made room")
		require.Equal(t, []string{"one\r\n"}, r.mail(t, "alice"))
		require.NoError(t, r.Close())
	})
}

func TestMaxWaitingIsALimit(t *testing.T) {
	for name, limit := range map[string]struct{ field, waiting int }{"custom": {1, 1}, "none": {-1, 8}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newServer(lmtp.LMTP)
				r.MaxConnections, r.MaxWaiting = 8, limit.field
				first, firstOver := r.pipe(t)
				first.hello(lmtp.LMTP)
				for range limit.waiting {
					select {
					case <-firstOver:
						require.Fail(t, "the first had to go")
					default:
					}
					d, _ := r.pipe(t)
					d.hello(lmtp.LMTP)
				}
				require.ErrorContains(t, <-firstOver, "this one made room")
				require.NoError(t, r.Close())
			})
		})
	}
}

// fromAddress is a connection from an address.
type fromAddress struct {
	net.Conn
	address string
}

func (f fromAddress) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(f.address), Port: 1}
}

func TestMaxPerAddress(t *testing.T) {
	for name, limit := range countLimits(100) {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			r.MaxPerAddress, r.MaxConnections = limit[0], 1000
			n := limit[1]
			if n < 0 {
				n = 300
			}
			open := 0
			last, other := &script{}, &script{input: "QUIT\r\n"}
			message := func(c *script, address string) {
				r.ServeConn(t.Context(), fromAddress{c, address})
			}
			r.Appender = appenderFunc(func() {
				switch open++; {
				case open < n:
					message(&script{input: "EHLO x\r\n" + envelope + "DATA\r\n.\r\n"}, "192.0.2.1")
				case open == n:
					message(last, "192.0.2.1")
					message(other, "192.0.2.2")
				}
			})
			message(&script{input: "EHLO x\r\n" + envelope + "DATA\r\n.\r\n"}, "192.0.2.1")
			const refused = "421 4.7.0 Too many connections from your address, try again later\r\n"
			if limit[1] < 0 {
				require.NotContains(t, last.out.String(), refused)
			} else {
				require.Equal(t, refused, last.out.String())
			}
			require.Contains(t, other.out.String(), "221 2.0.0 Bye")
		})
	}
}

// Refusals of which the sender is to try again do not count for MaxRefused: or else
// a message with many more recipients than MaxRecipients would reach none, ever.
func TestTemporaryRefusalsDoNotCount(t *testing.T) {
	busy := &lmtp.Error{Code: 450, Text: "Busy"}
	for name, change := range map[string]func(*running){
		"too many recipients": func(r *running) { r.MaxRecipients = 1 },
		"in the host's words": func(r *running) {
			known := r.Directory
			r.Directory = directoryFunc(func(address string) (string, error) {
				if address == "bob@example.org" {
					return "", busy
				}
				return known.Lookup(t.Context(), address)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			change(r)
			conn := &script{input: "EHLO x\r\n" + envelope + strings.Repeat("RCPT TO:<bob@example.org>\r\n", 3000) +
				"DATA\r\nx\r\n.\r\nQUIT\r\n"}
			require.NoError(t, r.ServeConn(t.Context(), conn))
			require.Equal(t, []string{"x\r\n"}, r.mail(t, "alice"))
		})
	}
}

// A recipient costs the memory of its address, and not that of the line that it
// came in.
func TestRecipientsTakeLittleMemory(t *testing.T) {
	r := newServer(lmtp.SMTP)
	conn := new(flood)
	conn.input = "EHLO x\r\nMAIL FROM:<a@example.net>\r\n"
	conn.again, conn.times = "RCPT TO:"+strings.Repeat(" ", 8000)+"<alice@example.org>\r\n", 999
	conn.then = "RCPT TO:<last@example.org>\r\nRSET\r\nQUIT\r\n"
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, known, grown := heap(), r.Directory, int64(0)
	r.Directory = directoryFunc(func(address string) (string, error) {
		if address == "last@example.org" {
			grown = heap() - before
		}
		return known.Lookup(t.Context(), address)
	})
	require.NoError(t, r.ServeConn(t.Context(), conn))
	require.Equal(t, 1000, strings.Count(conn.out.String(), "250 2.1."), "all were accepted")
	require.Positive(t, grown)
	require.Less(t, grown, int64(1<<20))
}
