package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

func dialFrom(ctx context.Context, from, address string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patienceInFlood}
	return dialer.DialContext(ctx, "tcp", address)
}

// client is a client whose failures are errors, since it is not on the goroutine
// of the test.
type client struct {
	conn net.Conn
	*textproto.Reader
}

func connectFrom(from, address string) (*client, error) {
	conn, err := dialFrom(context.Background(), from, address)
	if err != nil {
		return nil, err
	}
	return &client{conn, textproto.NewReader(bufio.NewReader(conn))}, nil
}

func (c *client) close() { c.conn.Close() }

// ask sends something, unless it is empty, and expects an answer of a line that
// begins so.
func (c *client) ask(text, want string) error {
	c.conn.SetDeadline(time.Now().Add(patienceInFlood))
	if text != "" {
		if _, err := io.WriteString(c.conn, text+"\r\n"); err != nil {
			return err
		}
	}
	answer, err := c.ReadLine()
	if err == nil && !strings.HasPrefix(answer, want) {
		err = errors.New(answer)
	}
	if err != nil {
		return fmt.Errorf("after %q: %w", text, err)
	}
	return nil
}

// play asks one thing after the other: text, want, text, want.
func (c *client) play(steps ...string) error {
	for ; len(steps) > 0; steps = steps[2:] {
		if err := c.ask(steps[0], steps[1]); err != nil {
			return err
		}
	}
	return nil
}

// logInFrom begins a POP3 session.
func logInFrom(p *process, from, user string) (*client, error) {
	c, err := connectFrom(from, p.address["pop3"])
	if err != nil {
		return nil, err
	}
	if err := c.play("", "+OK", "USER "+user, "+OK", "PASS secret", "+OK"); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// visitFrom logs in, and leaves.
func visitFrom(p *process, from, user string) error {
	c, err := logInFrom(p, from, user)
	if err != nil {
		return err
	}
	defer c.close()
	return c.ask("QUIT", "+OK")
}

// retrieve expects a text as the first message.
func (c *client) retrieve(text string) error {
	if err := c.ask("RETR 1", "+OK"); err != nil {
		return err
	}
	got, err := c.ReadDotBytes()
	if err == nil && string(got) != strings.ReplaceAll(text, "\r\n", "\n") {
		err = fmt.Errorf("RETR: %d octets that are not the message", len(got))
	}
	return err
}

// deliverFrom delivers a message by LMTP.
func deliverFrom(p *process, from, to string) error {
	c, err := connectFrom(from, p.address["lmtp"])
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.play("", "220", "LHLO localhost", "250-"); err != nil {
		return err
	}
	if _, _, err := c.ReadResponse(250); err != nil { // the rest
		return err
	}
	return c.play("MAIL FROM:<>", "250", "RCPT TO:<"+to+">", "250", "DATA", "354",
		"Subject: in a flood\r\n\r\n.", "250", "QUIT", "221")
}
