package pop3test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Patience is how long a [Client] waits for a line before the test fails.
const Patience = 10 * time.Second

// Client speaks POP3 for a test. An error of the connection fails the test; an
// -ERR does not, since it is an answer. A Client is for the goroutine of the
// test, a [RawClient] for others.
type Client struct {
	t   testing.TB
	raw *RawClient

	// Greeting is the first line that the server sent.
	Greeting string
}

// Dial connects in the clear.
func (s *Server) Dial(t testing.TB) *Client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatalf("pop3test: %v", err)
	}
	return NewClient(t, conn)
}

// DialTLS connects with TLS from the first octet on.
func (s *Server) DialTLS(t testing.TB) *Client {
	t.Helper()
	conn, err := tls.Dial("tcp", s.AddrTLS, s.ClientTLS())
	if err != nil {
		t.Fatalf("pop3test: %v", err)
	}
	return NewClient(t, conn)
}

// NewClient reads the greeting from a connection of any kind. The connection is
// closed with the test.
func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	raw, err := NewRawClient(conn, Patience)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{t: t, raw: raw, Greeting: raw.Greeting}
}

// must ends the test if err is not nil.
func (c *Client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// Command sends a line and returns the first line of the answer, without its
// CRLF.
func (c *Client) Command(line string) string {
	c.t.Helper()
	status, err := c.raw.Command(line)
	c.must(err)
	return status
}

// Multi sends a line and returns the first line of the answer and, if that is
// +OK, the body after it, un-stuffed and without the final dot.
func (c *Client) Multi(line string) (status string, body []byte) {
	c.t.Helper()
	status, body, err := c.raw.Multi(line)
	c.must(err)
	return status, body
}

// Send sends octets as they are.
func (c *Client) Send(octets string) {
	c.t.Helper()
	c.must(c.raw.Send(octets))
}

// Line reads a line and returns it without its CRLF.
func (c *Client) Line() string {
	c.t.Helper()
	line, err := c.raw.Line()
	c.must(err)
	return line
}

// Body reads the rest of a multi-line response, to the final dot, and undoes
// the byte-stuffing (RFC 1939 section 3).
func (c *Client) Body() []byte {
	c.t.Helper()
	body, err := c.raw.Body()
	c.must(err)
	return body
}

// Login logs in by USER and PASS, and fails the test if that fails.
func (c *Client) Login(user, password string) {
	c.t.Helper()
	c.must(c.raw.Login(user, password))
}

// STLS begins TLS on the connection.
func (c *Client) STLS(config *tls.Config) {
	c.t.Helper()
	if status := c.Command("STLS"); !strings.HasPrefix(status, "+OK") {
		c.t.Fatalf("pop3test: STLS: %s", status)
	}
	secure := tls.Client(c.raw.conn, config)
	secure.SetDeadline(time.Now().Add(Patience))
	if err := secure.Handshake(); err != nil {
		c.t.Fatalf("pop3test: handshake: %v", err)
	}
	c.raw.conn, c.raw.in = secure, bufio.NewReader(secure)
}

// Quit sends QUIT, returns the answer, and makes sure that the server closes
// the connection.
func (c *Client) Quit() string {
	c.t.Helper()
	status := c.Command("QUIT")
	c.ExpectClosed()
	return status
}

// ExpectClosed fails the test unless the server closes the connection without
// sending anything more.
func (c *Client) ExpectClosed() {
	c.t.Helper()
	c.raw.conn.SetReadDeadline(time.Now().Add(Patience))
	rest, err := io.ReadAll(c.raw.in)
	if len(rest) > 0 {
		c.t.Fatalf("pop3test: the server sent more: %q", rest)
	}
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		c.t.Fatalf("pop3test: the server did not close the connection")
	}
}

// Conn returns the connection, for what Client cannot do.
func (c *Client) Conn() net.Conn { return c.raw.conn }
