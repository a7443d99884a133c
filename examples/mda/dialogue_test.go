package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

func TestMain(m *testing.M) {
	code := paxostest.MainNoLeaks(m)
	os.RemoveAll(scratch)
	os.Exit(code)
}

// patienceOfTests bounds each connection and each shutdown.
const patienceOfTests = 5 * time.Second

// dialogue is the client's end of a connection.
type dialogue struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func dial(t *testing.T, address string) *dialogue {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patienceOfTests)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	d := &dialogue{t: t}
	d.use(conn)
	return d
}

func (d *dialogue) use(conn net.Conn) {
	require.NoError(d.t, conn.SetDeadline(time.Now().Add(patienceOfTests)))
	d.conn, d.reader = conn, bufio.NewReader(conn)
}

// play follows a script:
//
//	C: a line of the client
//	R: "octets of the client, as a Go string"
//	S: a line of the server; * stands for anything
//	S: EOF
//
// Lines of the client that follow each other go out in one write.
func (d *dialogue) play(script string) {
	d.t.Helper()
	var out strings.Builder
	flush := func() {
		d.t.Helper()
		if out.Len() == 0 {
			return
		}
		_, err := io.WriteString(d.conn, out.String())
		require.NoError(d.t, err)
		out.Reset()
	}
	for line := range strings.SplitSeq(script, "\n") {
		line = strings.TrimSpace(line)
		side, text, _ := strings.Cut(line, ":")
		text = strings.TrimPrefix(text, " ")
		switch side {
		case "":
		case "C":
			out.WriteString(text + "\r\n")
		case "R":
			octets, err := strconv.Unquote(text)
			require.NoError(d.t, err, line)
			out.WriteString(octets)
		case "S":
			flush()
			d.expect(text)
		default:
			require.Fail(d.t, "not a line of a script", line)
		}
	}
	flush()
}

func (d *dialogue) expect(want string) {
	d.t.Helper()
	got, err := d.reader.ReadString('\n')
	if want == "EOF" {
		require.Equal(d.t, io.EOF, err, "got %q", got)
		return
	}
	require.NoError(d.t, err, "S: %s", want)
	require.True(d.t, strings.HasSuffix(got, "\r\n"), "line end of %q", got)
	got = strings.TrimSuffix(got, "\r\n")
	if head, tail, wild := strings.Cut(want, "*"); wild {
		require.True(d.t, len(got) >= len(head)+len(tail) && strings.HasPrefix(got, head) && strings.HasSuffix(got, tail),
			"S: %s\ngot %s", want, got)
		return
	}
	require.Equal(d.t, want, got)
}

// hello reads the greeting and sends LHLO or EHLO.
func (d *dialogue) hello(protocol string) {
	d.t.Helper()
	d.play("S: 220 *")
	d.sayHello(protocol)
}

func (d *dialogue) sayHello(protocol string) {
	d.t.Helper()
	verb := "EHLO"
	if protocol == "LMTP" {
		verb = "LHLO"
	}
	d.play("C: " + verb + " client.example")
	for {
		line, err := d.reader.ReadString('\n')
		require.NoError(d.t, err)
		if strings.HasPrefix(line, "250 ") {
			return
		}
		require.True(d.t, strings.HasPrefix(line, "250-"), line)
	}
}

// startTLS is hello, STARTTLS, and LHLO or EHLO again.
func (d *dialogue) startTLS(protocol string) {
	d.t.Helper()
	d.hello(protocol)
	d.secure()
	d.sayHello(protocol)
}

// secure is STARTTLS.
func (d *dialogue) secure() {
	d.t.Helper()
	d.play("C: STARTTLS\nS: 220 2.0.0 *")
	encrypted := tls.Client(d.conn, &tls.Config{InsecureSkipVerify: true})
	require.NoError(d.t, encrypted.Handshake())
	d.use(encrypted)
}

// hangUp ends the client's half of the connection and returns what the server
// still sends.
func (d *dialogue) hangUp() string {
	d.t.Helper()
	require.NoError(d.t, d.conn.(interface{ CloseWrite() error }).CloseWrite())
	rest, err := io.ReadAll(d.reader)
	require.NoError(d.t, err)
	return string(rest)
}

// running is an agent in this process, with users alice and bob, and without
// trace fields unless a test asks for them.
type running struct {
	*agent
	store   *memory.Store
	address string
	server  *server
}

func start(t *testing.T, protocol string, change ...func(*running)) *running {
	t.Helper()
	users, err := parseUsers(strings.NewReader("alice:a\nbob:b\nzoë@example.org:z\n"))
	require.NoError(t, err)
	r := &running{store: &memory.Store{}}
	r.agent = &agent{
		directory: users,
		store:     r.store,
		maxSize:   100_000,
		patience:  fiveMinutes,
		log:       slog.New(slog.NewTextHandler(newTestLog(t), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(r)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address = listener.Addr().String()
	r.server = r.newServer(protocol)
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patienceOfTests)
		defer cancel()
		if err := r.server.Shutdown(ctx); err != smtp.ErrServerClosed { // by the test itself
			require.NoError(t, err)
		}
		require.NoError(t, <-served)
		require.NoError(t, r.store.Close(ctx))
	})
	return r
}

// testLog writes to the output of a test until the test ends. go-smtp may log
// later: it does not wait for a Data whose chunks were interrupted.
type testLog struct {
	mu  sync.Mutex
	out io.Writer
}

func newTestLog(t *testing.T) *testLog {
	l := &testLog{out: t.Output()}
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.out = io.Discard
	})
	return l
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// mail returns the messages of a user, oldest first.
func (r *running) mail(t *testing.T, user string) []string {
	t.Helper()
	ctx := t.Context()
	mb, err := r.store.Open(ctx, mailbox.Login{User: user})
	require.NoError(t, err)
	defer mb.Close()
	texts := []string{}
	for message, err := range mb.Messages(ctx) {
		require.NoError(t, err)
		reader, err := mb.Open(ctx, message.ID, mailbox.OpenOptions{})
		require.NoError(t, err)
		text, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.NoError(t, reader.Close())
		require.EqualValues(t, message.Size, len(text))
		texts = append(texts, string(text))
	}
	return texts
}

// withTLS gives the agent a certificate.
func withTLS(t *testing.T) func(*running) {
	certificate, err := selfSigned(time.Now())
	require.NoError(t, err)
	return func(r *running) { r.tlsConfig = &tls.Config{Certificates: []tls.Certificate{certificate}} }
}

// protocols runs a test over LMTP and over SMTP.
func protocols(t *testing.T, test func(t *testing.T, protocol string)) {
	for _, protocol := range []string{"LMTP", "SMTP"} {
		t.Run(protocol, func(t *testing.T) { test(t, protocol) })
	}
}

// ok is a positive reply to a message for alice.
func ok(protocol string) string {
	if protocol == "LMTP" {
		return "S: 250 2.0.0 <alice@example.org> OK: queued\n"
	}
	return "S: 250 2.0.0 OK: queued\n"
}

// toAlice begins a message for alice.
const toAlice = `
	C: MAIL FROM:<sender@example.net>
	C: RCPT TO:<alice@example.org>
	S: 250 2.0.0 *
	S: 250 2.0.0 *
`

// received are n Received fields.
func received(n int) string {
	return strings.Repeat("Received: from a by b; Thu, 1 Jan 1970 00:00:00 +0000\r\n", n)
}

func quoted(octets string) string { return fmt.Sprintf("R: %q\n", octets) }
