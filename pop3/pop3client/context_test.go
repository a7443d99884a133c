package pop3client_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/testcert"
	"github.com/popcask/popcask/pop3/pop3client"
)

// silent is a server that greets, reads one line, says something, calls heard,
// and then is silent. It returns the client's connection, and what ends when
// the client has closed that.
func silent(t *testing.T, answer string, heard func()) (near net.Conn, closed <-chan struct{}) {
	t.Helper()
	near, far := net.Pipe()
	end := make(chan struct{})
	go func() {
		defer close(end)
		defer far.Close()
		io.WriteString(far, "+OK ready\r\n")
		in := bufio.NewReader(far)
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		io.WriteString(far, answer)
		heard()
		io.Copy(io.Discard, in)
	}()
	t.Cleanup(func() {
		near.Close()
		<-end
	})
	return near, end
}

// The end of a context ends a wait, and the connection with it, wherever the
// client is.
func TestContextEndsAWait(t *testing.T) {
	for name, c := range map[string]struct {
		answer   string
		question question
	}{
		"a status":    {"", noop},
		"half a line": {"+OK", noop},
		"a listing":   {"+OK\r\n1 1\r\n", list},
		"a message":   {"+OK\r\na line\r\n", retr},
		"half a dot":  {"+OK\r\n.", retr},
		"a challenge": {"+ ", auth},
		"a handshake": {"+OK\r\n", stls},
		"a pipeline":  {"+OK\r\n", all},
	} {
		for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(name+", "+cause.Error(), func(t *testing.T) {
				ctx, end := context.WithCancel(t.Context())
				defer end()
				if cause == context.DeadlineExceeded {
					ctx = ending{ctx}
				}
				near, closed := silent(t, c.answer, end)
				client, err := pop3client.New(ctx, near, insecure)
				require.NoError(t, err)
				require.ErrorIs(t, c.question(ctx, client), cause)
				<-closed
				require.ErrorIs(t, client.Noop(t.Context()), cause, "the connection is not used again")
				require.NoError(t, client.Close())
			})
		}
	}
}

// ending is a context that ends by a deadline, and when the test wants.
type ending struct{ context.Context }

func (e ending) Err() error {
	if e.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

// A context that ends between a command and its answer ends the connection,
// since the answer is still to come.
func TestContextThatEndsBeforeAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		ask    func(ctx context.Context, end func(), c *pop3client.Client, conn *watched) error
	}{
		"after a command": {"", func(ctx context.Context, end func(), c *pop3client.Client, conn *watched) error {
			conn.then = end
			return c.Noop(ctx)
		}},
		"after commands ahead": {"", func(ctx context.Context, end func(), c *pop3client.Client, _ *watched) error {
			require.NoError(t, c.Send(ctx, "NOOP"))
			end()
			_, err := c.ReadStatus(ctx)
			return err
		}},
		"in a mechanism": {"+ \r\n", func(ctx context.Context, end func(), c *pop3client.Client, _ *watched) error {
			return c.Auth(ctx, mechanism{name: "X-TEST", next: func([]byte) ([]byte, error) {
				end()
				return nil, nil
			}})
		}},
		"before a message": {"+OK\r\n", func(ctx context.Context, end func(), c *pop3client.Client, _ *watched) error {
			body, err := c.Retr(ctx, 1)
			require.NoError(t, err)
			end()
			return body.Close()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			defer end()
			near, closed := silent(t, c.answer, func() {})
			conn := &watched{Conn: near}
			client, err := pop3client.New(ctx, conn, insecure)
			require.NoError(t, err)
			require.ErrorIs(t, c.ask(ctx, end, client, conn), context.Canceled)
			require.ErrorContains(t, client.Noop(t.Context()), "the connection has ended")
			<-closed
		})
	}
}

// A context that has ended before sends nothing.
func TestContextThatHasEnded(t *testing.T) {
	client := greeted(t, `
		C: NOOP
		S: +OK
		C: (closes)`)
	ctx, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, client.Noop(ctx), context.Canceled)
	require.ErrorIs(t, client.Send(ctx, "NOOP"), context.Canceled)
	require.NoError(t, client.Noop(t.Context()), "the connection is as it was")
	require.NoError(t, client.Close())
}

// A context that ends after an answer does not end the next wait.
func TestContextOfACommandIsForgotten(t *testing.T) {
	client := greeted(t, `
		C: NOOP
		S: +OK
		C: RETR 1
		S: +OK
		S: a
		S: .
		C: NOOP
		S: +OK
		C: (closes)`)
	for _, q := range []question{noop, retr, noop} {
		ctx, end := context.WithCancel(t.Context())
		require.NoError(t, q(ctx, client))
		end()
	}
	require.NoError(t, client.Close())
}

// A server that does not answer, or does not read, costs Options.Timeout.
func TestTimeout(t *testing.T) {
	options := pop3client.Options{Timeout: time.Millisecond}
	near, far := net.Pipe()
	defer far.Close()
	defer near.Close()
	_, err := pop3client.New(t.Context(), near, options)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorContains(t, err, "no answer within 1ms")

	options.Timeout = 50 * time.Millisecond
	near, far = net.Pipe()
	defer far.Close()
	go io.WriteString(far, "+OK ready\r\n")
	client, err := pop3client.New(t.Context(), near, options)
	require.NoError(t, err)
	err = client.Noop(t.Context())
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorContains(t, err, "the server does not read within 50ms")
	require.ErrorIs(t, client.Noop(t.Context()), os.ErrDeadlineExceeded)
}

// A server that sends an octet now and then gains no time for its line. It does
// for a message, which may be large.
func TestTimeoutIsForAWholeLine(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		for _, octet := range "+OK ready\r\n" {
			io.WriteString(far, string(octet))
		}
		bufio.NewReader(far).ReadString('\n')
		for _, part := range []string{"+OK\r\n", "a", "b\r\n", ".\r\n"} {
			io.WriteString(far, part)
		}
	}()
	raw := &watched{Conn: near}
	client, err := pop3client.New(t.Context(), raw, insecure)
	require.NoError(t, err)
	require.Len(t, raw.deadlines, len("+OK ready\r\n"))
	for _, deadline := range raw.deadlines {
		require.Equal(t, raw.deadlines[0], deadline)
	}
	raw.deadlines = nil
	require.NoError(t, retr(t.Context(), client))
	require.Len(t, raw.deadlines, 5) // a write, the status, and the parts
	for i := range 4 {
		require.Less(t, raw.deadlines[i], raw.deadlines[i+1])
	}
}

// Nor does it gain time for a message that was closed.
func TestTimeoutIsForAWholeClose(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		io.WriteString(far, "+OK ready\r\n")
		bufio.NewReader(far).ReadString('\n')
		for _, part := range []string{"+OK\r\n", "a\r\n", "b", "c\r\n", ".\r\n"} {
			io.WriteString(far, part)
		}
	}()
	raw := &watched{Conn: near}
	client, err := pop3client.New(t.Context(), raw, insecure)
	require.NoError(t, err)
	body, err := client.Retr(t.Context(), 1)
	require.NoError(t, err)
	raw.deadlines = nil
	require.NoError(t, body.Close())
	require.Len(t, raw.deadlines, 4)
	for _, deadline := range raw.deadlines {
		require.Equal(t, raw.deadlines[0], deadline)
	}
}

// Negative: only the context ends a wait.
func TestNoTimeout(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	near, _ := silent(t, "", end)
	client, err := pop3client.New(ctx, near, pop3client.Options{Timeout: -1})
	require.NoError(t, err)
	require.ErrorIs(t, client.Noop(ctx), context.Canceled)
}

// watched is a connection that counts its writes, tells of each, and keeps all
// deadlines.
type watched struct {
	net.Conn
	writes    atomic.Int64
	written   func() // before it, or nil
	then      func() // after it, or nil
	deadlines []time.Time
}

func (w *watched) Write(p []byte) (int, error) {
	w.writes.Add(1)
	if w.written != nil {
		w.written()
	}
	if w.then != nil {
		defer w.then()
	}
	return w.Conn.Write(p)
}

func (w *watched) SetDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return w.Conn.SetDeadline(t)
}

// A broken TLS connection is closed without the alert that takes leave, which a
// server that does not read would hold up for seconds.
func TestABrokenTLSConnectionTakesNoLeave(t *testing.T) {
	certificate, err := testcert.New()
	require.NoError(t, err)
	near, far := net.Pipe()
	defer far.Close()
	greeted := make(chan error, 1)
	go func() {
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{certificate.Server}})
		_, err := io.WriteString(server, "+OK ready\r\n")
		greeted <- err
	}()
	raw := &watched{Conn: near}
	secure := tls.Client(raw, &tls.Config{RootCAs: certificate.Roots, ServerName: "localhost"})
	client, err := pop3client.New(t.Context(), secure, insecure)
	require.NoError(t, err)
	require.NoError(t, <-greeted)
	before := raw.writes.Load()
	ctx, end := context.WithCancel(t.Context())
	raw.written = end
	require.ErrorIs(t, client.Noop(ctx), context.Canceled)
	require.Equal(t, before+1, raw.writes.Load(), "the command alone")
	_, err = near.Write(nil)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// Hijack hands over a connection without deadlines, and nothing is lost.
func TestHijack(t *testing.T) {
	raw := &watched{Conn: play(t, `
		S: +OK ready
		C: NOOP
		S: +OK
		C: X
		S: anything
		C: (closes)`)}
	client, err := pop3client.New(t.Context(), raw, insecure)
	require.NoError(t, err)
	require.NoError(t, client.Noop(t.Context()))
	conn, err := client.Hijack()
	require.NoError(t, err)
	require.Zero(t, raw.deadlines[len(raw.deadlines)-1], "no deadline is left")
	require.NotZero(t, raw.deadlines[0])
	require.ErrorIs(t, client.Noop(t.Context()), pop3client.ErrClosed)
	require.NoError(t, client.Close(), "which leaves the connection open")
	_, err = io.WriteString(conn, "X\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "anything\r\n", line)
	require.NoError(t, conn.Close())
}

func TestHijackRefusesWhatNobodyAskedFor(t *testing.T) {
	client := greeted(t, `
		C: NOOP
		S: +OK
		S: +OK me again
		C: (closes)`)
	require.NoError(t, client.Noop(t.Context()))
	_, err := client.Hijack()
	require.ErrorAs(t, err, new(*pop3client.ProtocolError))
}
