package main

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// What go-smtp v0.25.1 does not do for a message is done here; tests say where a
// later release makes it unnecessary.

// dotted reads a message that comes by DATA. go-smtp's own reader, below it,
// does not see that a line begins after CR CR LF (any even number of CRs): it
// leaves a stuffed dot there, and waits for ever for a message to end whose last
// line ends so.
type dotted struct {
	source io.Reader
	conn   net.Conn

	crs        int // CRs right before
	state      dotState
	overlooked bool   // go-smtp has not seen the final dot
	ready      []byte // read, and not yet handed out
	buffer     [4 << 10]byte
	err        error
}

type dotState int

const (
	anywhere   dotState = iota
	lineStart           // of a line that go-smtp takes for the middle of one
	afterDot            // which was the first octet of that line
	afterDotCR          // which were the first two
)

func (d *dotted) Read(p []byte) (int, error) {
	if len(d.ready) == 0 && d.err == nil {
		d.fill()
	}
	n := copy(p, d.ready)
	d.ready = d.ready[n:]
	if n > 0 || d.err == nil {
		return n, nil
	}
	if d.overlooked {
		// go-smtp would read on. So its reads end at once, until it reads the
		// next command and sets a deadline of its own.
		d.conn.SetReadDeadline(longAgo)
	}
	return 0, d.err
}

// fill reads octet by octet: go-smtp's reader comes back only when the slice is
// full, and might be waiting for what never comes.
func (d *dotted) fill() {
	out := d.buffer[:0]
	var octet [1]byte
	for len(out) < len(d.buffer)-1 && d.err == nil {
		n, err := d.source.Read(octet[:])
		if n > 0 {
			out = d.take(out, octet[0])
		}
		if d.err == nil {
			d.err = err
		}
	}
	d.ready = out
}

// take appends what octet means.
func (d *dotted) take(out []byte, octet byte) []byte {
	switch d.state {
	case lineStart:
		if octet == '.' {
			d.state = afterDot
			return out
		}
	case afterDot:
		if octet == '\r' {
			d.state = afterDotCR
			return out
		}
	case afterDotCR:
		if octet == '\n' {
			d.err, d.overlooked = io.EOF, true
			return out
		}
		out = append(out, '\r')
		d.crs = 1
	}
	d.state = anywhere
	switch {
	case octet == '\r':
		d.crs++
	case octet == '\n' && d.crs > 0 && d.crs%2 == 0:
		d.state, d.crs = lineStart, 0
	default:
		d.crs = 0
	}
	return append(out, octet)
}

var longAgo = time.Unix(1, 0)

// chunks reads a message that comes by BDAT. go-smtp takes a chunk that ends
// with the connection for a whole one, and the message with it.
type chunks struct {
	pipe io.Reader
	conn net.Conn
}

func (c *chunks) Read(p []byte) (int, error) {
	n, err := c.pipe.Read(p)
	if err == io.EOF && hungUp(c.conn) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// hungUp tells whether the peer has ended the connection. It may be asked while
// go-smtp is waiting for the end of Data, and is not reading.
func hungUp(conn net.Conn) bool {
	wire := wireOf(conn)
	if wire.ended.Load() {
		return true
	}
	encrypted, ok := conn.(*tls.Conn)
	if !ok {
		return false
	}
	// TLS has an end of its own, which only a read shows: one that does not
	// wait. What it finds are commands that the peer sent ahead; it has to send
	// them again, on another connection.
	encrypted.SetReadDeadline(longAgo)
	n, err := io.Copy(io.Discard, encrypted)
	if n > 0 {
		wire.hangUp.Store(true)
	}
	return err == nil // it came to an end, and not to the deadline
}
