package pop3test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// RawClient speaks POP3 and returns errors instead of failing the test: for
// tests in which connections break, and for goroutines other than the test's
// own, which must not end it. Its errors are those of the connection and of
// malformed answers. An -ERR is an answer, and an error of [RawClient.Login]
// only. It is used by one goroutine at a time.
type RawClient struct {
	// Greeting is the first line that the server sent.
	Greeting string

	conn     net.Conn
	in       *bufio.Reader
	patience time.Duration // for one line
}

// NewRawClient reads the greeting from a connection of any kind, which the
// caller closes. The client waits up to patience for each line, and for the
// server to read what it sends; 0 means [Patience].
func NewRawClient(conn net.Conn, patience time.Duration) (*RawClient, error) {
	if patience == 0 {
		patience = Patience
	}
	c := &RawClient{conn: conn, in: bufio.NewReader(conn), patience: patience}
	greeting, err := c.Line()
	if err != nil {
		return nil, err
	}
	c.Greeting = greeting
	return c, nil
}

// Login logs in by USER and PASS. An -ERR is an error.
func (c *RawClient) Login(user, password string) error {
	for _, line := range []string{"USER " + user, "PASS " + password} {
		status, err := c.Command(line)
		if err == nil && !strings.HasPrefix(status, "+OK") {
			err = errors.New("pop3test: login: " + status)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Command sends a line and returns the first line of the answer, without its
// CRLF.
func (c *RawClient) Command(line string) (status string, err error) {
	if err := c.Send(line + "\r\n"); err != nil {
		return "", err
	}
	return c.Line()
}

// Multi sends a line and returns the first line of the answer and, if that is
// +OK, the body after it, un-stuffed and without the final dot.
func (c *RawClient) Multi(line string) (status string, body []byte, err error) {
	status, err = c.Command(line)
	if err == nil && strings.HasPrefix(status, "+OK") {
		body, err = c.Body()
	}
	return status, body, err
}

// Send sends octets as they are.
func (c *RawClient) Send(octets string) error {
	c.conn.SetWriteDeadline(time.Now().Add(c.patience))
	if _, err := io.WriteString(c.conn, octets); err != nil {
		return fmt.Errorf("pop3test: send: %w", err)
	}
	return nil
}

// Line reads a line and returns it without its CRLF.
func (c *RawClient) Line() (string, error) {
	line, err := c.line()
	return strings.TrimSuffix(string(line), "\r\n"), err
}

// Body reads the rest of a multi-line response, to the final dot, and undoes
// the byte-stuffing (RFC 1939 section 3).
func (c *RawClient) Body() ([]byte, error) {
	body := bytes.NewBuffer([]byte{})
	err := c.CopyBody(body)
	return body.Bytes(), err
}

// CopyBody is like Body, and writes to w line by line. Before it returns an
// error it has written what came before it.
func (c *RawClient) CopyBody(w io.Writer) error {
	for {
		line, err := c.line()
		if err != nil || string(line) == ".\r\n" {
			return err
		}
		if _, err := w.Write(bytes.TrimPrefix(line, []byte("."))); err != nil {
			return err
		}
	}
}

func (c *RawClient) line() ([]byte, error) {
	c.conn.SetReadDeadline(time.Now().Add(c.patience))
	line, err := c.in.ReadBytes('\n')
	switch {
	case err != nil:
		return nil, fmt.Errorf("pop3test: read: %w after %q", err, line)
	case !bytes.HasSuffix(line, []byte("\r\n")):
		return nil, fmt.Errorf("pop3test: a line that does not end in CRLF: %q", line)
	}
	return line, nil
}

// Conn returns the connection, to close it, and for what RawClient cannot do.
func (c *RawClient) Conn() net.Conn { return c.conn }
