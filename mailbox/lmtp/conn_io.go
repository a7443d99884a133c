package lmtp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/popcask/popcask/internal/netserver"
)

var (
	errLineTooLong  = errors.New("lmtp: line too long")
	errShuttingDown = errors.New("lmtp: server shutting down")
)

// readLine reads a line and returns it without its line end, LF or CR LF.
func (c *Conn) readLine() (string, error) {
	if buffered, _ := c.in.Peek(c.in.Buffered()); bytes.IndexByte(buffered, '\n') < 0 {
		if err := c.prepareRead(); err != nil {
			return "", err
		}
	} else if c.isShuttingDown() {
		return "", errShuttingDown
	}
	line, err := c.in.ReadSlice('\n')
	c.info.In += int64(len(line))
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errLineTooLong
	case errors.Is(err, os.ErrDeadlineExceeded) && c.isShuttingDown(): // which wakes the session by a deadline
		return "", errShuttingDown
	case err == io.EOF && len(line) > 0:
		return "", io.ErrUnexpectedEOF // half a command is none
	case err != nil:
		return "", err
	}
	return string(bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})), nil
}

// peek returns the next n octets of a message, which it waits for, and all others
// that are here already.
func (c *Conn) peek(n int) ([]byte, error) {
	if c.in.Buffered() < n {
		if err := c.prepareRead(); err != nil {
			return nil, err
		}
		if _, err := c.in.Peek(n); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return c.in.Peek(c.in.Buffered())
}

// skip forgets octets of a message that peek has returned.
func (c *Conn) skip(n int) {
	c.in.Discard(n)
	c.info.In += int64(n)
}

// prepareRead sends the answers so far (RFC 2920 section 3.2), since the client
// may wait for them, and sets the deadline of the read.
func (c *Conn) prepareRead() error {
	if err := c.out.Flush(); err != nil {
		return &ended{ReasonClientGone, err} // even if it is a time-out
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shutdown && !c.receiving {
		return errShuttingDown
	}
	return c.nc.SetReadDeadline(netserver.FromNow(c.server.limit.idle))
}

func (c *Conn) isShuttingDown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shutdown && !c.receiving
}

// writer is the connection below the buffer.
type writer struct{ c *Conn }

func (w writer) Write(p []byte) (int, error) {
	w.c.nc.SetWriteDeadline(netserver.FromNow(w.c.server.limit.write))
	n, err := w.c.nc.Write(p)
	w.c.info.Out += int64(n)
	return n, err
}

// say answers with a code, an enhanced code that may be empty, and a text of one
// or several lines. An error comes with the next read.
func (c *Conn) say(code int, enhanced string, lines ...string) {
	if enhanced != "" {
		enhanced += " "
	}
	number := strconv.Itoa(code)
	for i, line := range lines {
		separator := "-"
		if i == len(lines)-1 {
			separator = " "
		}
		for _, text := range [...]string{number, separator, enhanced, fitted(line), "\r\n"} {
			c.out.WriteString(text)
		}
	}
}

func (c *Conn) answer(e *Error) { c.say(e.Code, e.Enhanced, e.Text) }

// maxText is the longest text of a reply in octets, so that the line keeps to
// the 512 of RFC 5321 section 4.5.3.1.5.
const maxText = 480

// fitted leaves out of a text what a reply cannot have, CR and LF above all, and
// cuts it to what fits.
func fitted(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}
