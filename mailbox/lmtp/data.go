package lmtp

import (
	"bytes"
	"context"
	"io"
	"strings"
)

// data answers DATA.
func (c *Conn) data(ctx context.Context, arguments string) error {
	if strings.TrimSpace(arguments) != "" {
		return mistake{refusal(501, "5.5.4", "DATA has no argument")}
	}
	c.say(354, "", "Go on, and end with a dot on a line of its own")
	c.out.Flush() // the store may take its time before it reads; an error comes with that
	return c.receive(ctx, &dotted{c: c, state: lineStart})
}

// dotted reads a message that comes by DATA. It ends with CR LF . CR LF, and with
// nothing else (RFC 5321 section 4.1.1.4): a line begins after CR LF alone. The
// dot of such a line is byte-stuffing (section 4.5.2). Every other octet is one
// of the message.
type dotted struct {
	c     *Conn
	state dotState
	err   error
}

type dotState uint8

const (
	inLine dotState = iota
	afterCR
	lineStart
)

// Read waits for octets only if it has none yet, and else takes what is here,
// which may be many short lines.
func (d *dotted) Read(p []byte) (n int, err error) {
	for d.err == nil && n < len(p) && (n == 0 || d.c.in.Buffered() >= len(".\r\n")) {
		here, err := d.c.peek(1)
		switch {
		case err != nil:
			d.err = err
		case d.state == lineStart && here[0] == '.':
			d.dot()
		default:
			taken := copy(p[n:], here[:d.stretch(here)])
			d.advance(here[:taken])
			d.c.skip(taken)
			n += taken
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, d.err
}

// dot takes the dot at the beginning of a line, and the end of the message if it
// is that.
func (d *dotted) dot() {
	here, err := d.c.peek(2)
	if err == nil && here[1] == '\r' {
		here, err = d.c.peek(3)
	}
	switch {
	case err != nil:
		d.err = err
	case here[1] == '\r' && here[2] == '\n':
		d.c.skip(len(".\r\n"))
		d.err = io.EOF
	default:
		d.c.skip(len("."))
		d.state = inLine
	}
}

var dotLine = []byte("\r\n.")

// stretch is how many of the next octets are of the message for certain: to the
// next line that begins with a dot.
func (d *dotted) stretch(here []byte) int {
	if d.state == afterCR && here[0] == '\n' {
		return 1
	}
	if i := bytes.Index(here, dotLine); i >= 0 {
		return i + len("\r\n")
	}
	return len(here)
}

// advance notes which octets were taken.
func (d *dotted) advance(taken []byte) {
	last := taken[len(taken)-1]
	switch {
	case last == '\r':
		d.state = afterCR
	case last == '\n' && (len(taken) > 1 && taken[len(taken)-2] == '\r' || len(taken) == 1 && d.state == afterCR):
		d.state = lineStart
	default:
		d.state = inLine
	}
}
