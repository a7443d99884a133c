//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"time"
)

// client does as little as it can, so that the time is the server's.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(address, user string) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(5 * time.Minute))
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, 256<<10)}
	if err := c.expectOK(); err != nil {
		conn.Close()
		return nil, err
	}
	for _, line := range []string{"USER " + user, "PASS " + password} {
		if err := c.command(line); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *client) command(line string) error {
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		return err
	}
	return c.expectOK()
}

func (c *client) expectOK() error {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("+OK")) {
		return fmt.Errorf("server says %q", line)
	}
	return nil
}

// body un-stuffs a multi-line response and counts its octets.
func (c *client) body() (octets int64, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return octets, err
		}
		if line[0] == '.' {
			if len(line) == 3 {
				return octets, nil
			}
			octets--
		}
		octets += int64(len(line))
	}
}

func (c *client) quit() error {
	err := c.command("QUIT")
	c.conn.Close()
	return err
}
