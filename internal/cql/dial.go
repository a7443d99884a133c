package cql

import (
	"context"
	"net"
)

// dialer dials on behalf of a link, and ends its connections with it. The driver
// alone, when it is closed, first waits for those that it is just making, and a
// node that accepts and says nothing takes its time.
type dialer struct {
	net.Dialer
	life context.Context // of the link
}

// DialContext implements [gocql.Dialer].
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.life, cancel)()
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	return &wire{tcp, context.AfterFunc(d.life, func() { tcp.Close() })}, nil
}

// wire is a connection that ends with its link. It embeds the TCP connection, not
// the interface, so that several frames still go out in one system call.
type wire struct {
	*net.TCPConn
	forget func() bool
}

// Close implements [net.Conn].
func (w *wire) Close() error {
	w.forget()
	return w.TCPConn.Close()
}
