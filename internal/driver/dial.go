package driver

import (
	"context"
	"net"
	"time"

	"github.com/gocql/gocql"
)

// dialer dials for a link, and closes its connections when the link ends.
// Without it, closing the driver waits for the connections that it is just
// making: that is long if a node accepts a connection and then says nothing.
//
// A new connection must be answered in time. gocql, which lifts the limit when
// it reads for itself, has none for the handshake of TLS: with a node that hangs
// it would wait forever, and not look for another one (v1.7.0).
type dialer struct {
	gocql.Dialer
	life     context.Context // of the link
	patience time.Duration   // until the first answer
}

// DialContext implements [gocql.Dialer].
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := joined(ctx, d.life)
	defer cancel()
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(d.patience)); err != nil {
		conn.Close()
		return nil, err
	}
	return tie(conn, d.life), nil
}

// hostDialer is [dialer] for [gocql.ClusterConfig.HostDialer], if a host sets
// that.
type hostDialer struct {
	gocql.HostDialer
	life context.Context
}

// DialHost implements [gocql.HostDialer].
func (d hostDialer) DialHost(ctx context.Context, host *gocql.HostInfo) (*gocql.DialedHost, error) {
	ctx, cancel := joined(ctx, d.life)
	defer cancel()
	dialed, err := d.HostDialer.DialHost(ctx, host)
	if err == nil {
		dialed.Conn = tie(dialed.Conn, d.life)
	}
	return dialed, err
}

// joined returns a context that ends when either of two contexts ends.
func joined(ctx, life context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(life, cancel)
	return ctx, func() { stop(); cancel() }
}

// tie returns a connection that is closed when life ends. A TCP connection
// stays a TCP connection, so that several frames still go out in one system
// call.
//
// After that neither Close nor Write fails. If closing a connection fails, also
// because TLS cannot say goodbye any more, gocql tells the pool of it; but a
// pool that was closed while it made the connection holds its lock then, and
// two goroutines would wait forever (hostConnPool.connect, gocql v1.7.0).
func tie(conn net.Conn, life context.Context) net.Conn {
	e := ending{life, context.AfterFunc(life, func() { conn.Close() })}
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &tiedTCP{tcp, e}
	}
	return &tied{conn, e}
}

type tied struct {
	net.Conn
	ending
}

// Write implements [net.Conn].
func (c *tied) Write(p []byte) (int, error) { return c.write(c.Conn, p) }

// Close implements [net.Conn].
func (c *tied) Close() error { return c.close(c.Conn) }

type tiedTCP struct {
	*net.TCPConn
	ending
}

// Write implements [net.Conn].
func (c *tiedTCP) Write(p []byte) (int, error) { return c.write(c.TCPConn, p) }

// Close implements [net.Conn].
func (c *tiedTCP) Close() error { return c.close(c.TCPConn) }

// ending is when a connection ends at the latest.
type ending struct {
	life   context.Context
	forget func() bool
}

func (e *ending) write(conn net.Conn, p []byte) (int, error) {
	n, err := conn.Write(p)
	if e.life.Err() != nil {
		return len(p), nil
	}
	return n, err
}

func (e *ending) close(conn net.Conn) error {
	e.forget()
	if err := conn.Close(); e.life.Err() == nil {
		return err
	}
	return nil
}
