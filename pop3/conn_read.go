package pop3

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/popcask/popcask/internal/netserver"
)

var (
	errLineTooLong  = errors.New("pop3: line too long")
	errShuttingDown = errors.New("pop3: server shutting down")

	errTooManyLongLines = errors.New("pop3: too many long lines at once")
)

// readCommand reads the next command and returns it without its line end. The
// octets are valid until the next read.
func (c *Conn) readCommand(ctx context.Context) ([]byte, error) {
	return c.readLine(ctx, c.server.limit.line)
}

// readLine reads a line of at most limit octets, its line end included. A line
// that begins an AUTH exchange may be as long as one within the exchange. A
// line ends in LF, or in CR LF.
func (c *Conn) readLine(ctx context.Context, limit int) ([]byte, error) {
	c.giveBack()
	if err := c.awaitLine(ctx); err != nil {
		return nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if c.state == Authorization && isVerb(line, "AUTH") {
		limit = longer(limit, c.server.limit.sasl)
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = c.readLongLine(line, limit)
	}
	c.inOctets += int64(len(line))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = cmp.Or(c.interrupted(), err) // Shutdown wakes the session by a deadline
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

// ownLine is how long a line may be, in octets, before it takes from the budget
// that all connections share. A connection keeps memory for one of that length.
const ownLine = 4 * readBuffer

// readLongLine reads the rest of a line whose beginning filled the buffer.
func (c *Conn) readLongLine(beginning []byte, limit int) ([]byte, error) {
	c.long = append(c.long[:0], beginning...)
	for {
		if exceeds(len(c.long), limit) {
			return c.long, errLineTooLong
		}
		if !c.lengthen() {
			return c.long, errTooManyLongLines
		}
		more, err := c.in.ReadSlice('\n')
		c.long = append(c.long, more...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			line := c.long
			if cap(c.long) > ownLine {
				c.long = nil // do not keep 64 KiB because of one bearer token
			}
			return line, err
		}
	}
}

// lengthen makes room for another buffer of a long line, and reports whether
// the budget has it.
func (c *Conn) lengthen() bool {
	if cap(c.long)-len(c.long) >= readBuffer {
		return true
	}
	size := max(2*cap(c.long), ownLine)
	if size > ownLine {
		if !c.server.longLines.take(size - c.borrowed) {
			return false
		}
		c.borrowed = size
	}
	c.long = append(make([]byte, 0, size), c.long...)
	return true
}

// giveBack gives back what the last line took from the budget.
func (c *Conn) giveBack() {
	c.server.longLines.give(c.borrowed)
	c.borrowed = 0
}

// longer returns the larger of two limits. A negative one is none, and the
// largest.
func longer(a, b int) int {
	if a < 0 || b < 0 {
		return -1
	}
	return max(a, b)
}

// awaitLine prepares a read. If the next command is not here yet, the answers
// so far go out (RFC 2449 section 6.6), and the deadline of the read is set.
func (c *Conn) awaitLine(ctx context.Context) error {
	buffered, _ := c.in.Peek(c.in.Buffered())
	if bytes.IndexByte(buffered, '\n') >= 0 {
		return c.interrupted()
	}
	if err := c.flush(ctx); err != nil {
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

// readDeadline is when the client must have sent its next line; zero means
// never.
func (c *Conn) readDeadline() time.Time {
	if c.state == Transaction {
		return netserver.FromNow(c.server.limit.idle)
	}
	return c.loginDeadline()
}

// loginDeadline is when the client must have logged in; zero means never.
func (c *Conn) loginDeadline() time.Time {
	if c.server.limit.auth < 0 {
		return time.Time{}
	}
	return c.began.Add(c.server.limit.auth)
}
