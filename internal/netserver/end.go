package netserver

import (
	"io"
	"net"
	"time"
)

const (
	// drainTime and drainOctets bound what is read of a client after the last
	// answer.
	drainTime   = 2 * time.Second
	drainOctets = 256 << 10
)

// HangUp closes a connection on which the server was the last to speak. If the
// client may have sent more than was read, a close would make the kernel reset
// the connection, and the client might lose the last answer. So the server
// closes its half, and reads until the client closes its own.
func HangUp(nc net.Conn) {
	defer nc.Close()
	until := time.Now().Add(drainTime)
	nc.SetDeadline(until)
	raw := nc
	if secure, ok := raw.(interface {
		CloseWrite() error
		NetConn() net.Conn
	}); ok {
		if secure.CloseWrite() != nil { // close_notify
			return
		}
		raw = secure.NetConn()
		raw.SetDeadline(until)
	}
	half, ok := raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	io.CopyN(io.Discard, raw, drainOctets)
}

// LastWord says a line to a client that is turned away, if it can: before a TLS
// handshake nothing can be said. It waits for nothing, since the connection may be
// one of a flood.
func LastWord(nc net.Conn, line string) {
	if _, is := nc.(TLSConn); !is {
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(nc, line)
	}
}

// LongAgo is a deadline that makes reads and writes end at once.
var LongAgo = time.Unix(1, 0)

// Abort closes a connection at once, whatever it is doing.
func Abort(nc net.Conn) {
	// Close of a TLS connection would first send close_notify, and wait for a
	// client that does not read.
	nc.SetDeadline(LongAgo)
	if raw, ok := nc.(interface{ NetConn() net.Conn }); ok {
		raw.NetConn().Close()
		return
	}
	nc.Close()
}

// FromNow is when a time-out that begins now is over. A negative one never is:
// the zero time means never.
func FromNow(timeout time.Duration) time.Time {
	if timeout < 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// Earlier returns the earlier of two deadlines, of which a zero one is never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
