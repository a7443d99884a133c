package pop3

import (
	"bufio"
	"errors"
	"net"
	"time"
)

// ErrHijacked is what [Conn.Hijack] returns if it was called before.
var ErrHijacked = errors.New("pop3: connection was hijacked")

// Hijack hands the connection over to the host: to a director that passes it on
// to another server after the login, or to a command of the host's own that
// speaks something else. It may be called while the server is waiting for a
// method of a [Handler], a [Session] or a [SASLExchange], or for
// [Command.Run], and by nobody else. What the method then returns does not
// matter.
//
// What was read ahead is in the reader, which goes on with the connection.
// Answers that were due have been sent; an answer to the command that is under
// way was not. No deadline is set any more, neither on the connection nor on
// the call of the host, which may take as long as it needs. The host closes
// the connection. The session still ends as others do, by [Session.Close] and
// [Hooks].Close, once the method has returned. Until then Shutdown waits for
// it, and Close of the server ends its context. It counts as one that has logged
// in, and makes no room for others.
func (c *Conn) Hijack() (net.Conn, *bufio.Reader, error) {
	c.work.pause()
	if c.isHijacked() {
		return nil, nil, ErrHijacked
	}
	if err := c.out.flush(); err != nil {
		return nil, nil, err
	}
	c.server.door.Stays(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hijacked {
		return nil, nil, ErrHijacked
	}
	c.hijacked = true
	return c.nc, c.in, c.nc.SetDeadline(time.Time{})
}

func (c *Conn) isHijacked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hijacked
}
