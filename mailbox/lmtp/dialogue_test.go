package lmtp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/internal/linetest"
	"github.com/popcask/popcask/internal/testcert"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
	"github.com/popcask/popcask/mailbox/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds each connection and each shutdown.
const patience = 10 * time.Second

// dialogue is the client's end of a connection.
type dialogue struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func dial(t *testing.T, address string) *dialogue {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &dialogue{t: t, conn: conn, reader: bufio.NewReader(conn)}
}

// play follows a script, see linetest.Play.
func (d *dialogue) play(script string) {
	d.t.Helper()
	linetest.Play(d.t, d.conn, d.reader, script)
}

// hello reads the greeting and sends LHLO or EHLO.
func (d *dialogue) hello(protocol lmtp.Protocol) {
	d.t.Helper()
	d.play("S: 220 *")
	d.sayHello(protocol)
}

func helloVerb(protocol lmtp.Protocol) string {
	if protocol == lmtp.LMTP {
		return "LHLO"
	}
	return "EHLO"
}

func (d *dialogue) sayHello(protocol lmtp.Protocol) {
	d.t.Helper()
	linetest.Hello(d.t, d.conn, d.reader, helloVerb(protocol))
}

// startTLS is hello, STARTTLS, and LHLO or EHLO again.
func (d *dialogue) startTLS(r *running) {
	d.t.Helper()
	d.hello(r.Protocol)
	d.secure(r)
	d.sayHello(r.Protocol)
}

// begin is hello, or startTLS if the connection is to be encrypted.
func (d *dialogue) begin(r *running, encrypted bool) {
	d.t.Helper()
	if encrypted {
		d.startTLS(r)
	} else {
		d.hello(r.Protocol)
	}
}

// secure is STARTTLS.
func (d *dialogue) secure(r *running) {
	d.t.Helper()
	d.play("C: STARTTLS\nS: 220 2.0.0 *")
	encrypted := tls.Client(d.conn, &tls.Config{RootCAs: r.roots, ServerName: "localhost"})
	require.NoError(d.t, encrypted.Handshake())
	d.conn, d.reader = encrypted, bufio.NewReader(encrypted)
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

// directory knows users by their address and by its local part.
type directory []string

func (d directory) Lookup(_ context.Context, address string) (string, error) {
	name, err := mailbox.CanonicalUser(address)
	if err != nil {
		return "", err
	}
	local, _, _ := strings.Cut(name, "@")
	for _, user := range d {
		if user == name || user == local {
			return user, nil
		}
	}
	return "", mailbox.ErrNoSuchUser
}

// running is a server on loopback.
type running struct {
	*lmtp.Server
	store   *memory.Store
	address string
	roots   *x509.CertPool
}

// newServer is a server for alice, bob, the postmaster and zoë, without trace
// fields.
func newServer(protocol lmtp.Protocol) *running {
	store := new(memory.Store)
	return &running{store: store, Server: &lmtp.Server{
		Appender:       store,
		Directory:      directory{"alice", "bob", "postmaster", "zoë@example.org"},
		Protocol:       protocol,
		Hostname:       "mx.example.org",
		NoTrace:        true,
		MaxMessageSize: 100_000,
	}}
}

// pipe connects to the server without a network, in a bubble of synctest too.
func (r *running) pipe(t *testing.T) (d *dialogue, over chan error) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	over = make(chan error, 1)
	go func() { over <- r.ServeConn(context.Background(), far) }()
	return &dialogue{t: t, conn: near, reader: bufio.NewReader(near)}, over
}

func start(t *testing.T, protocol lmtp.Protocol, change ...func(*running)) *running {
	t.Helper()
	r := newServer(protocol)
	r.Logger = slog.New(slog.NewTextHandler(newTestLog(t), &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, c := range change {
		c(r)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, r.Shutdown(ctx))
		require.Equal(t, lmtp.ErrServerClosed, <-served)
		require.NoError(t, r.store.Close(ctx))
	})
	return r
}

// testLog writes to the output of a test until the test ends.
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
	return mailOf(t, r.store, user)
}

func mailOf(t *testing.T, store *memory.Store, user string) []string {
	t.Helper()
	ctx := context.Background()
	mb, err := store.Open(ctx, mailbox.Login{User: user})
	if errors.Is(err, mailbox.ErrNoSuchUser) {
		return []string{}
	}
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

// withTLS gives the server a certificate.
func withTLS(t *testing.T) func(*running) {
	certificate, err := testcert.New()
	require.NoError(t, err)
	return func(r *running) {
		r.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate.Server}}
		r.roots = certificate.Roots
	}
}

// protocols runs a test over LMTP and over SMTP.
func protocols(t *testing.T, test func(t *testing.T, protocol lmtp.Protocol)) {
	for _, protocol := range []lmtp.Protocol{lmtp.LMTP, lmtp.SMTP} {
		t.Run(protocol.String(), func(t *testing.T) { test(t, protocol) })
	}
}

// ok is a positive answer to a message for alice.
func ok(protocol lmtp.Protocol) string {
	if protocol == lmtp.LMTP {
		return "S: 250 2.0.0 <alice@example.org> OK: delivered as *\n"
	}
	return "S: 250 2.0.0 OK: delivered as *\n"
}

// toAlice begins a message for alice.
const toAlice = `
	C: MAIL FROM:<sender@example.net>
	C: RCPT TO:<alice@example.org>
	S: 250 2.1.0 *
	S: 250 2.1.5 *
`

// received are n Received fields.
func received(n int) string {
	return strings.Repeat("Received: from a by b; Thu, 1 Jan 1970 00:00:00 +0000\r\n", n)
}

func quoted(octets string) string { return fmt.Sprintf("R: %q\n", octets) }

func itoa(n int) string { return strconv.Itoa(n) }
