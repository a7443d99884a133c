package pop3_test

import (
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// insecure returns a server that takes passwords without TLS.
func insecure(handler pop3.Handler) *pop3.Server {
	return &pop3.Server{Handler: handler, AllowInsecureAuth: true, Brake: pop3.NoBrake}
}

// noDeadline is the deadline that a connection never reaches.
var noDeadline time.Time

// piped is a session over a net.Pipe, which buffers nothing and works in a
// synctest bubble.
type piped struct {
	*pop3test.Client
	conn net.Conn
	over chan error // what ServeConn returned; closed after that
}

// pipe begins a session and reads its greeting.
func pipe(t testing.TB, server *pop3.Server) *piped {
	t.Helper()
	return rawPipe(t, server, context.Background()).greeted(t)
}

// greeted reads the greeting of a session that rawPipe began.
func (p *piped) greeted(t testing.TB) *piped {
	t.Helper()
	p.Client = pop3test.NewClient(t, p.conn)
	return p
}

// rest reads, without a deadline of its own, what comes until the server ends
// the connection.
func (p *piped) rest(t testing.TB) string {
	t.Helper()
	p.conn.SetReadDeadline(noDeadline)
	octets, err := io.ReadAll(p.conn)
	require.NoError(t, err)
	return string(octets)
}

// hear listens until the server ends the connection.
func (p *piped) hear() *heard {
	h := new(heard)
	go io.Copy(h, p.conn)
	return h
}

// loggedIn is a session in the TRANSACTION state.
func loggedIn(t testing.TB, server *pop3.Server) *piped {
	t.Helper()
	p := pipe(t, server)
	p.Login("demo", "secret")
	return p
}

// rawPipe begins a session and reads nothing. wrap is put around the server's
// end of the pipe.
func rawPipe(t testing.TB, server *pop3.Server, ctx context.Context, wrap ...func(net.Conn) net.Conn) *piped {
	client, conn := net.Pipe()
	for _, around := range wrap {
		conn = around(conn)
	}
	p := &piped{conn: client, over: make(chan error, 1)}
	t.Cleanup(func() {
		client.Close()
		<-p.over
	})
	go func() {
		defer close(p.over)
		p.over <- server.ServeConn(ctx, conn)
	}()
	return p
}

// heard is what a client has heard so far.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

var timestamp = regexp.MustCompile(`<[^>]*@pop3>`)

// transcript returns all answers to a client that sends everything at once,
// without the timestamp of the greeting.
func transcript(t testing.TB, server *pop3.Server, input string) string {
	t.Helper()
	p := rawPipe(t, server, context.Background())
	go io.WriteString(p.conn, input)
	output := p.rest(t)
	<-p.over
	return timestamp.ReplaceAllString(output, "<>")
}
