package pop3

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"time"
)

var (
	errLineTooLong  = errors.New("pop3: line too long")
	errShuttingDown = errors.New("pop3: server shutting down")
)

// readCommand reads the next command, without its line end. The octets are
// valid until the next read.
func (c *Conn) readCommand() ([]byte, error) {
	return c.readLine(c.server.limit.line)
}

// readLine reads a line of at most limit octets, its line end included; one
// that begins an AUTH exchange may be as long as a line within it. Only LF ends
// a line; a CR before it belongs to it.
func (c *Conn) readLine(limit int) ([]byte, error) {
	if err := c.awaitLine(); err != nil {
		return nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if c.state == authorization && isVerb(line, "AUTH") {
		limit = longer(limit, c.server.limit.sasl)
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = c.readLongLine(line, limit)
	}
	c.inOctets += int64(len(line))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = cmp.Or(c.interrupted(), err) // Shutdown wakes who waits by a deadline
	}
	switch {
	case err == io.EOF && len(line) > 0:
		return nil, io.ErrUnexpectedEOF // half a command is none
	case err != nil:
		return nil, err
	case exceeds(len(line), limit):
		return nil, errLineTooLong
	}
	line = line[:len(line)-1]
	return bytes.TrimSuffix(line, []byte{'\r'}), nil
}

// readLongLine goes on with a line whose beginning filled the buffer.
func (c *Conn) readLongLine(beginning []byte, limit int) ([]byte, error) {
	c.long = append(c.long[:0], beginning...)
	for {
		if exceeds(len(c.long), limit) {
			return c.long, errLineTooLong
		}
		more, err := c.in.ReadSlice('\n')
		c.long = append(c.long, more...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			line := c.long
			if cap(c.long) > 4*readBuffer {
				c.long = nil // one bearer token is no reason to keep 64 KiB
			}
			return line, err
		}
	}
}

// longer returns the limit that allows more, of which a negative one is none.
func longer(a, b int) int {
	if a < 0 || b < 0 {
		return -1
	}
	return max(a, b)
}

// awaitLine gets ready to block: the answers so far go out, unless the next
// command is here already (RFC 2449 section 6.6), and the clock is set.
func (c *Conn) awaitLine() error {
	buffered, _ := c.in.Peek(c.in.Buffered())
	if bytes.IndexByte(buffered, '\n') >= 0 {
		return c.interrupted()
	}
	if err := c.out.flush(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shutdown {
		return errShuttingDown
	}
	return c.nc.SetReadDeadline(c.readDeadline())
}

func (c *Conn) interrupted() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shutdown {
		return errShuttingDown
	}
	return nil
}

// readDeadline is when the client must have sent its next line. Zero is never.
func (c *Conn) readDeadline() time.Time {
	if c.state == transaction {
		if c.server.limit.idle < 0 {
			return time.Time{}
		}
		return time.Now().Add(c.server.limit.idle)
	}
	return c.loginDeadline()
}

// loginDeadline is when the client must have logged in. Zero is never.
func (c *Conn) loginDeadline() time.Time {
	if c.server.limit.auth < 0 {
		return time.Time{}
	}
	return c.began.Add(c.server.limit.auth)
}
