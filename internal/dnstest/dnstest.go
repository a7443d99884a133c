// Package dnstest lets tests set and change the addresses of a name, which
// happens to that of a headless service of Kubernetes when its pods move.
package dnstest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// Server is a DNS server on loopback, which this program asks.
type Server struct {
	conn net.PacketConn
	mu   sync.Mutex
	at   map[string][]string
}

// The program's resolver must not change during a lookup, and a test cannot
// wait for the lookups that go on in the background. So the resolver is
// replaced before anything runs, and asks the present server, if there is one.
func init() {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if s := running.Load(); s != nil {
			network, address = "udp", s.conn.LocalAddr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
}

var running atomic.Pointer[Server]

// Start makes the whole program ask a new server until the test ends. No other
// test may look up names meanwhile.
func Start(t testing.TB) *Server {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &Server{conn: conn, at: make(map[string][]string)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve()
	}()
	running.Store(s)
	t.Cleanup(func() {
		running.Store(nil)
		conn.Close()
		<-done
	})
	return s
}

// Set sets the IPv4 addresses of a name. A name that was never set does not
// exist.
func (s *Server) Set(name string, addresses ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[name+"."] = addresses
}

func (s *Server) serve() {
	packet := make([]byte, 1500)
	for {
		size, from, err := s.conn.ReadFrom(packet)
		if err != nil {
			return // closed
		}
		var m dnsmessage.Message
		if m.Unpack(packet[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		s.mu.Lock()
		addresses, known := s.at[q.Name.String()]
		s.mu.Unlock()
		m.Response, m.Authoritative, m.Additionals = true, true, nil
		if !known {
			m.RCode = dnsmessage.RCodeNameError
		}
		for _, a := range addresses {
			if q.Type == dnsmessage.TypeA {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
				})
			}
		}
		if answer, err := m.Pack(); err == nil {
			s.conn.WriteTo(answer, from)
		}
	}
}
