package driver

import (
	"context"
	"net"

	"github.com/gocql/gocql"
)

// dialer dials for a link, and closes its connections when the link ends.
// Without it, closing the driver waits for the connections that it is just
// making: that is long if a node accepts a connection and then says nothing.
type dialer struct {
	gocql.Dialer
	life context.Context // of the link
}

// DialContext implements [gocql.Dialer].
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := joined(ctx, d.life)
	defer cancel()
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
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
func tie(conn net.Conn, life context.Context) net.Conn {
	forget := context.AfterFunc(life, func() { conn.Close() })
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &tiedTCP{tcp, forget}
	}
	return &tied{conn, forget}
}

type tied struct {
	net.Conn
	forget func() bool
}

// Close implements [net.Conn].
func (c *tied) Close() error {
	c.forget()
	return c.Conn.Close()
}

type tiedTCP struct {
	*net.TCPConn
	forget func() bool
}

// Close implements [net.Conn].
func (c *tiedTCP) Close() error {
	c.forget()
	return c.TCPConn.Close()
}
