//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// workload is something that a client does many times.
type workload struct {
	name  string
	times int // a round
	run   func(address string, times int) error
}

var workloads = []workload{
	{"session", 4000, sessions},
	{"RETR 5 KB", 30000, func(address string, times int) error { return retrieve(address, smallUser, times) }},
	{"RETR 5 MB", 150, func(address string, times int) error { return retrieve(address, largeUser, times) }},
}

// client is as thin as a client can be, so that the servers are what is
// measured.
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

// sessions connects, logs in, says STAT and QUIT.
func sessions(address string, times int) error {
	for range times {
		c, err := dial(address, smallUser)
		if err != nil {
			return err
		}
		if err := c.command("STAT"); err != nil {
			return err
		}
		if err := c.quit(); err != nil {
			return err
		}
	}
	return nil
}

// retrieve gets the messages of a maildrop, in turn, over one connection.
func retrieve(address, user string, times int) error {
	c, err := dial(address, user)
	if err != nil {
		return err
	}
	for i := range times {
		if err := c.command(fmt.Sprintf("RETR %d", i%messages(user)+1)); err != nil {
			return err
		}
		octets, err := c.body()
		if err != nil {
			return err
		}
		if want := int64(len(message(user, i%messages(user)))); octets != want {
			return fmt.Errorf("RETR %d: %d octets, want %d", i%messages(user)+1, octets, want)
		}
	}
	return c.quit()
}

// measureLarge tells how the heap grows while a message of 100 MB is on its way.
func measureLarge(s server) error {
	before, err := s.usage()
	if err != nil {
		return err
	}
	c, err := dial(s.address(), hugeUser)
	if err != nil {
		return err
	}
	if err := c.command("RETR 1"); err != nil {
		return err
	}
	octets, err := c.body()
	if err != nil {
		return err
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	fmt.Printf("\nRETR of %d MB from Maildir: the highest heap in use was %.2f MB above the one before\n",
		octets>>20, float64(after.peakHeap-before.heap)/(1<<20))
	return c.quit()
}

// measureIdle tells what a waiting connection costs.
func measureIdle(s server, connections int) error {
	before, err := s.usage()
	if err != nil {
		return err
	}
	var open []*client
	defer func() {
		for _, c := range open {
			c.conn.Close()
		}
	}()
	for range connections {
		c, err := dial(s.address(), smallUser)
		if err != nil {
			return fmt.Errorf("connection %d: %w (is the limit of open files high enough?)", len(open)+1, err)
		}
		open = append(open, c)
		c.in = nil // the client's own memory is not the subject
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	fmt.Printf("%d logged-in idle connections: %.1f KB each of heap and stacks, %.1f KB each of resident memory\n",
		connections,
		float64(after.heap+after.stacks-before.heap-before.stacks)/float64(connections)/1000,
		float64(after.resident-before.resident)/float64(connections)/1000)
	return nil
}

const (
	smallUser = "small" // 20 messages of 5 KB
	largeUser = "large" // a message of 5 MB
	hugeUser  = "huge"  // a message of 100 MB
	password  = "secret"
)

var users = []string{smallUser, largeUser, hugeUser}

func messages(user string) int {
	if user == smallUser {
		return 20
	}
	return 1
}

var bodies = map[string][]byte{
	smallUser: makeMessage(5 << 10),
	largeUser: makeMessage(5 << 20),
}

// message is what a user's maildrop holds, canonical. hugeUser's is made only
// where it is delivered.
func message(user string, _ int) []byte {
	if user == hugeUser {
		return makeMessage(100 << 20)
	}
	return bodies[user]
}

// makeMessage is a message with an attachment in base64.
func makeMessage(size int) []byte {
	var m bytes.Buffer
	m.WriteString("From: a@example.org\r\nTo: b@example.org\r\nSubject: figures\r\n\r\n")
	line := strings.Repeat("QUJD", 19) + "\r\n"
	for m.Len()+len(line) <= size {
		m.WriteString(line)
	}
	return m.Bytes()
}

// resident is the resident memory of a process in octets.
func resident(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var total, pages int64
	fmt.Sscan(string(data), &total, &pages)
	return pages * int64(os.Getpagesize())
}
