package lmtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/netserver"
)

// Conn is one client's connection, as hooks and commands of the host see it. Its
// exported methods may be called from any goroutine while the session lasts.
type Conn struct {
	server *Server
	id     netserver.ID
	began  time.Time
	cancel context.CancelCauseFunc

	mu        sync.Mutex // guards the next five
	nc        net.Conn   // STARTTLS replaces it
	remote    net.Addr   // by XCLIENT; nil: that of nc
	name      string     // what the client calls itself
	shutdown  bool
	receiving bool // a message

	in   *bufio.Reader
	out  *bufio.Writer
	next string // a command that was read and is still to be run; "" if there is none

	hello   string // the verb by which the client said its name; "" if it did not
	mail    envelope
	bad     int // commands in a row
	refused int // commands, less those that were done
	info    SessionInfo
}

// Sizes of a connection's buffers in octets. A command has to fit into the first.
const (
	readBuffer  = maxLine
	writeBuffer = 1 << 10
)

func newConn(s *Server, nc net.Conn, cancel context.CancelCauseFunc) *Conn {
	c := &Conn{server: s, nc: nc, id: netserver.NewID(), began: time.Now(), cancel: cancel}
	c.in = bufio.NewReaderSize(nc, readBuffer)
	c.out = bufio.NewWriterSize(writer{c}, writeBuffer)
	return c
}

// ID is a short text that no other connection has: for log lines and traces.
func (c *Conn) ID() string { return c.id.String() }

// Hello is what the client calls itself, "" before it has. Nobody has checked
// it: it may have any octets but CR and LF, 255 at most.
func (c *Conn) Hello() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.name
}

// RemoteAddr is the client's address, also if the connection is that of a proxy
// that said so.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.remote != nil {
		return c.remote
	}
	return c.nc.RemoteAddr()
}

// LocalAddr is the address that the client connected to.
func (c *Conn) LocalAddr() net.Addr { return c.netConn().LocalAddr() }

// TLS returns the state of TLS, or nil if the connection is in the clear. The
// state must not be changed.
func (c *Conn) TLS() *tls.ConnectionState {
	if secure, is := c.netConn().(netserver.TLSConn); is {
		state := secure.ConnectionState()
		return &state
	}
	return nil
}

// Close ends the connection at once. A message that is under way is not
// delivered. It does not wait for the session.
func (c *Conn) Close() error {
	c.abort(errClosedByHost)
	return nil
}

var errClosedByHost = errors.New("lmtp: connection closed by the host")

func (c *Conn) netConn() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nc
}

func (c *Conn) isTLS() bool {
	_, is := c.nc.(netserver.TLSConn)
	return is
}

// wakeForShutdown makes a session that waits for its client notice that the
// server shuts down. One that has a message under way notices after it.
func (c *Conn) wakeForShutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shutdown = true
	if !c.receiving {
		c.nc.SetReadDeadline(netserver.LongAgo)
	}
}

// setReceiving notes that a message is under way, or is not any more.
func (c *Conn) setReceiving(is bool) {
	c.mu.Lock()
	c.receiving = is
	c.mu.Unlock()
	if is {
		c.server.door.Stays(c)
	} else {
		c.server.door.Waits(c)
	}
}

// abort ends the connection at once, because of cause.
func (c *Conn) abort(cause error) {
	c.cancel(cause)
	netserver.Abort(c.netConn())
}
