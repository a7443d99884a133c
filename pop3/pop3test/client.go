package pop3test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/pop3/pop3client"
)

// Patience is how long a [Client] waits for a line before the test fails.
const Patience = 10 * time.Second

// Client is a [pop3client.Client] for a test. Its own methods fail the test at
// an error of the connection or of the protocol; an -ERR does not, since it is
// an answer. They are for the goroutine of the test.
//
// All other methods are those of [pop3client.Client], and return errors: Stat,
// List, UIDL, Capabilities, Retr. So do those of its field Client that have a
// namesake here: client.Client.Login.
type Client struct {
	*pop3client.Client

	// Greeting is the first line that the server sent.
	Greeting string

	t testing.TB
}

// Dial connects in the clear.
func (s *Server) Dial(t testing.TB) *Client {
	t.Helper()
	return dial(t, s.Addr)
}

func dial(t testing.TB, address string) *Client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
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

// NewClient reads the greeting, which may be -ERR, from a connection of any
// kind. The connection is closed with the test.
func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	options := pop3client.Options{AllowInsecureAuth: true, Timeout: Patience}
	client, err := pop3client.New(context.Background(), conn, options)
	if err != nil && !errors.As(err, new(*pop3client.Error)) {
		t.Fatalf("pop3test: %v", err)
	}
	return &Client{Client: client, Greeting: client.Greeting(), t: t}
}

// must ends the test if err is not nil.
func (c *Client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("pop3test: %v", err)
	}
}

// Command sends a line and returns the first line of the answer, without its
// CRLF.
func (c *Client) Command(line string) string {
	c.t.Helper()
	c.Send(line + "\r\n")
	return c.Line()
}

// Multi sends a line and returns the first line of the answer and, if that is
// +OK, the body after it, un-stuffed and without the final dot.
func (c *Client) Multi(line string) (status string, body []byte) {
	c.t.Helper()
	status = c.Command(line)
	if strings.HasPrefix(status, "+OK") {
		body = c.Body()
	}
	return status, body
}

// Send sends octets as they are.
func (c *Client) Send(octets string) {
	c.t.Helper()
	c.Conn().SetWriteDeadline(time.Now().Add(Patience))
	_, err := io.WriteString(c.Conn(), octets)
	c.must(err)
}

// Line reads a line and returns it without its CRLF.
func (c *Client) Line() string {
	c.t.Helper()
	line, err := c.ReadLine(context.Background())
	c.must(err)
	return line
}

// Body reads the rest of a multi-line response, to the final dot, and undoes
// the byte-stuffing (RFC 1939 section 3).
func (c *Client) Body() []byte {
	c.t.Helper()
	body, err := io.ReadAll(c.ReadBody(context.Background()))
	c.must(err)
	return body
}

// Login logs in by USER and PASS, and fails the test if that fails.
func (c *Client) Login(user, password string) {
	c.t.Helper()
	c.must(c.Client.Login(context.Background(), user, password))
}

// STLS begins TLS on the connection.
func (c *Client) STLS(config *tls.Config) {
	c.t.Helper()
	c.must(c.StartTLS(context.Background(), config))
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
	line, err := c.ReadLine(context.Background())
	switch {
	case err == nil:
		c.t.Fatalf("pop3test: the server sent more: %q", line)
	case errors.As(err, new(*pop3client.ProtocolError)):
		c.t.Fatalf("pop3test: the server sent more: %v", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.t.Fatalf("pop3test: the server did not close the connection")
	}
}
