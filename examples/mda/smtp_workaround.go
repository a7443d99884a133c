package main

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// This file works around faults of go-smtp v0.25.1.

// dotted reads a message that comes by DATA. go-smtp's own reader, below it,
// does not see that a line begins after CR CR LF (any even number of CRs). It
// leaves a stuffed dot there, and if the last line of a message ends so it
// waits for the end of the message forever.
type dotted struct {
	source io.Reader
	conn   net.Conn

	crs        int // CRs that came last
	state      dotState
	overlooked bool   // go-smtp has not seen the final dot
	ready      []byte // read, and not yet returned
	buffer     [4 << 10]byte
	err        error
}

type dotState int

const (
	anywhere   dotState = iota
	lineStart           // of a line whose start go-smtp does not see
	afterDot            // the first octet of that line was a dot
	afterDotCR          // the first two were a dot and CR
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
		// go-smtp would read on. This ends its reads at once, until it reads
		// the next command and sets its own deadline.
		d.conn.SetReadDeadline(longAgo)
	}
	return 0, d.err
}

// fill reads octet by octet: go-smtp's reader returns only when the slice is
// full, and might wait for octets that never come.
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

// take handles one octet, and appends to out what is part of the message.
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

// chunks reads a message that comes by BDAT. If the connection ends in the
// middle of the last chunk, go-smtp takes the message for a whole one.
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

// hungUp reports whether the peer has ended the connection. It may be called
// while go-smtp waits for the end of Data, and is not reading.
func hungUp(conn net.Conn) bool {
	wire := wireOf(conn)
	if wire.ended.Load() {
		return true
	}
	encrypted, ok := conn.(*tls.Conn)
	if !ok {
		return false
	}
	// Only a read shows the end of a TLS connection. This one does not wait. If
	// it finds commands that the peer sent ahead, the peer has to send them
	// again, on another connection.
	encrypted.SetReadDeadline(longAgo)
	n, err := io.Copy(io.Discard, encrypted)
	if n > 0 {
		wire.hangUp.Store(true)
	}
	return err == nil // the end, and not the deadline
}
