package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// Conn is one client's connection, as handlers and hooks see it. Its exported
// methods may be called from any goroutine while the session lasts.
type Conn struct {
	server *Server
	id     netserver.ID
	began  time.Time
	mayEnd bool // the context can end before the connection does

	cancel context.CancelCauseFunc

	mu       sync.Mutex // guards the next six
	nc       net.Conn   // STLS replaces it
	user     string     // that has logged in
	shutdown bool
	hijacked bool
	held     bool     // by the brake
	proxied  *proxied // by XCLIENT; nil: by nobody

	in       *bufio.Reader
	long     []byte // a line that is longer than the buffer of in
	borrowed int    // octets of Server.longLines
	inOctets int64
	out      output
	work     work // of the host that is under way

	session     Session
	state       State
	rejected    bool          // by Server.Admit
	exported    bool          // tls-exporter was used in a login
	language    *Language     // by LANG; nil is the server's own
	named       string        // by USER
	certificate func() []byte // that the server has sent, in DER form; nil: there is no TLS
	timestamp   string        // of the greeting, for APOP; "" if it is not offered
	failed      int           // logins
	bad         int           // commands in a row
	refused     int           // commands, less those that were answered with +OK
	release     func()        // gives the turn of the brake back; nil: there is none

	unlock   func()          // gives the maildrop up; nil: it is not taken
	unpace   func()          // takes the login back that Server.LoginDelay counts; nil: there is none
	mailbox  mailbox.Mailbox // nil before the login and after QUIT
	maildrop *maildrop
	receipts []string // IDs of messages that were sent, and are not flushed
	info     SessionInfo
}

// readBuffer is the size of a connection's read buffer in octets: small, since
// most connections wait most of the time, and most commands are short.
const readBuffer = 512

func newConn(s *Server, nc net.Conn) *Conn {
	c := &Conn{server: s, nc: nc, id: netserver.NewID(), began: time.Now()}
	c.in = bufio.NewReaderSize(nc, readBuffer)
	c.work.lock = make(chan struct{}, 1)
	c.out = output{nc: nc, timeout: s.limit.write, until: c.loginDeadline()}
	return c
}

// ID is a short text that no other connection has: for log lines and traces.
func (c *Conn) ID() string { return c.id.String() }

// User is the name of the user that has logged in, or "" before the login. It
// is what the session has set by [Conn.SetUser], or else the name that the
// client gave.
func (c *Conn) User() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user
}

// SetUser sets the name that hooks and log lines have for the user. A [Session]
// calls it while it logs a client in, if the client may give another name than
// the one that its mailbox has. The sessions of [Login] do so.
func (c *Conn) SetUser(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.user = name
}

// RemoteAddr is the client's address, also if the connection is that of a proxy
// that said so.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proxied != nil && c.proxied.remote != nil {
		return c.proxied.remote
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

// Close ends the connection at once. Marked messages stay, unless QUIT is
// removing them: then it finishes. It does not wait for the session.
func (c *Conn) Close() error {
	c.abort(errClosedByHost)
	return nil
}

var errClosedByHost = errors.New("pop3: connection closed by the host")

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
// server shuts down. A busy one notices after its command.
func (c *Conn) wakeForShutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shutdown = true
	if c.hijacked {
		return
	}
	if c.held {
		c.cancel(errShuttingDown)
	}
	c.nc.SetReadDeadline(netserver.LongAgo)
}

// abort ends the connection at once, because of cause. Of one that the host has
// taken over it ends the context only.
func (c *Conn) abort(cause error) {
	c.cancel(cause)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hijacked {
		return
	}
	netserver.Abort(c.nc)
}
