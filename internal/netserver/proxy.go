package netserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// Prefixes are networks that a server trusts.
type Prefixes []netip.Prefix

// Has reports whether an address is in one of them.
func (p Prefixes) Has(addr net.Addr) bool {
	var ip netip.Addr
	if tcp, ok := addr.(*net.TCPAddr); ok {
		ip = tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	for _, prefix := range p {
		if ip.IsValid() && prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// ErrNoHeader says that a connection of a proxy does not begin with a PROXY
// header.
var ErrNoHeader = errors.New("netserver: the connection of a proxy does not begin with a PROXY header")

// proxied reads the header of a connection that comes from a proxy.
func proxied(nc net.Conn, timeout time.Duration) (net.Conn, error) {
	nc.SetReadDeadline(FromNow(timeout))
	in := bufio.NewReaderSize(nc, headerBuffer)
	header, err := proxyproto.Read(in)
	switch {
	case err == proxyproto.ErrNoProxyProtocol:
		return nc, ErrNoHeader
	case err != nil:
		return nc, fmt.Errorf("%w: %w", ErrNoHeader, err)
	}
	nc.SetReadDeadline(time.Time{})
	remote, local, ok := header.TCPAddrs()
	if !ok || !header.Command.IsProxy() {
		remote, local = nil, nil
	}
	return &proxiedConn{Conn: nc, in: in, remote: remote, local: local}, nil
}

// headerBuffer has room for a header without extensions.
const headerBuffer = 256

// proxiedConn is a connection that came through a proxy.
type proxiedConn struct {
	net.Conn
	in            *bufio.Reader // what follows the header; nil when it is read
	remote, local *net.TCPAddr  // nil: those of the connection
}

func (p *proxiedConn) Read(b []byte) (int, error) {
	if p.in == nil {
		return p.Conn.Read(b)
	}
	if p.in.Buffered() == 0 {
		p.in = nil
		return p.Conn.Read(b)
	}
	return p.in.Read(b[:min(len(b), p.in.Buffered())])
}

func (p *proxiedConn) RemoteAddr() net.Addr {
	if p.remote == nil {
		return p.Conn.RemoteAddr()
	}
	return p.remote
}

func (p *proxiedConn) LocalAddr() net.Addr {
	if p.local == nil {
		return p.Conn.LocalAddr()
	}
	return p.local
}

// CloseWrite closes the half of the connection that the server writes.
func (p *proxiedConn) CloseWrite() error {
	half, ok := p.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}
