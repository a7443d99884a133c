package pop3test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Patience is how long a [Client] waits for an answer before the test fails.
const Patience = 10 * time.Second

// Client speaks POP3 for a test. Whatever goes wrong on the connection fails
// the test; a -ERR does not, it is an answer. It is for one goroutine, the
// test's own.
type Client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader

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
	c := &Client{t: t, conn: conn, in: bufio.NewReader(conn)}
	c.Greeting = c.Line()
	return c
}

// Command sends a line and returns the first line of the answer, without its
// CRLF.
func (c *Client) Command(line string) string {
	c.t.Helper()
	c.Send(line + "\r\n")
	return c.Line()
}

// Multi sends a line and returns the first line of the answer and, where that
// is +OK, the body behind it, un-stuffed, without the final dot.
func (c *Client) Multi(line string) (status string, body []byte) {
	c.t.Helper()
	if status = c.Command(line); strings.HasPrefix(status, "+OK") {
		body = c.Body()
	}
	return status, body
}

// Send sends octets as they are.
func (c *Client) Send(octets string) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(Patience))
	if _, err := io.WriteString(c.conn, octets); err != nil {
		c.t.Fatalf("pop3test: send: %v", err)
	}
}

// Line reads a line and returns it without its CRLF.
func (c *Client) Line() string {
	c.t.Helper()
	return strings.TrimSuffix(string(c.rawLine()), "\r\n")
}

// Body reads the rest of a multi-line response, to the final dot, and undoes
// the byte-stuffing (RFC 1939 section 3).
func (c *Client) Body() []byte {
	c.t.Helper()
	body := []byte{}
	for {
		line := c.rawLine()
		if string(line) == ".\r\n" {
			return body
		}
		body = append(body, bytes.TrimPrefix(line, []byte("."))...)
	}
}

func (c *Client) rawLine() []byte {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(Patience))
	line, err := c.in.ReadBytes('\n')
	if err != nil {
		c.t.Fatalf("pop3test: read: %v after %q", err, line)
	}
	if !bytes.HasSuffix(line, []byte("\r\n")) {
		c.t.Fatalf("pop3test: a line that does not end in CRLF: %q", line)
	}
	return line
}

// Login logs in by USER and PASS, and fails the test where that fails.
func (c *Client) Login(user, password string) {
	c.t.Helper()
	for _, line := range []string{"USER " + user, "PASS " + password} {
		if status := c.Command(line); !strings.HasPrefix(status, "+OK") {
			c.t.Fatalf("pop3test: login: %s", status)
		}
	}
}

// STLS begins TLS on the connection.
func (c *Client) STLS(config *tls.Config) {
	c.t.Helper()
	if status := c.Command("STLS"); !strings.HasPrefix(status, "+OK") {
		c.t.Fatalf("pop3test: STLS: %s", status)
	}
	secure := tls.Client(c.conn, config)
	secure.SetDeadline(time.Now().Add(Patience))
	if err := secure.Handshake(); err != nil {
		c.t.Fatalf("pop3test: handshake: %v", err)
	}
	c.conn, c.in = secure, bufio.NewReader(secure)
}

// Quit says QUIT, returns the answer, and makes sure that the server closes the
// connection.
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
	c.conn.SetReadDeadline(time.Now().Add(Patience))
	rest, err := io.ReadAll(c.in)
	if len(rest) > 0 {
		c.t.Fatalf("pop3test: the server sent more: %q", rest)
	}
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		c.t.Fatalf("pop3test: the server did not close the connection")
	}
}

// Conn is the connection, for what Client does not do.
func (c *Client) Conn() net.Conn { return c.conn }
