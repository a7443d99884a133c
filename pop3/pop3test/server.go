package pop3test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/popcask/popcask/internal/testcert"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
	"github.com/popcask/popcask/pop3"
)

// Server is a POP3 server on loopback for the length of a test.
type Server struct {
	// Config is the server itself. Its fields may be changed between
	// NewUnstartedServer and Start.
	Config *pop3.Server

	// Addr is the address for plain connections and STLS, AddrTLS the one for
	// TLS from the first octet on. Start sets them.
	Addr    string
	AddrTLS string

	// Host and Port are Addr in two parts, for programs that want them so.
	Host string
	Port int

	// RootCAs trusts the server's certificate, which is for "localhost",
	// 127.0.0.1 and ::1.
	RootCAs *x509.CertPool

	serving sync.WaitGroup
	closed  sync.Once
}

// NewServer starts a server that ends with the test. It takes passwords on
// plain connections, since those are on loopback, and neither slows
// down clients that send wrong ones nor limits how many there are of one
// address.
func NewServer(t testing.TB, handler pop3.Handler) *Server {
	t.Helper()
	s := NewUnstartedServer(t, handler)
	s.Start(t)
	return s
}

// NewUnstartedServer returns a server whose Config can still be changed.
func NewUnstartedServer(t testing.TB, handler pop3.Handler) *Server {
	t.Helper()
	certificate, err := testcert.New()
	if err != nil {
		t.Fatalf("pop3test: %v", err)
	}
	return &Server{
		Config: &pop3.Server{
			Handler:           handler,
			AllowInsecureAuth: true,
			Brake:             pop3.NoBrake,
			MaxPerAddress:     -1,
			TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate.Server}},
		},
		RootCAs: certificate.Roots,
	}
}

// Start starts the server, which ends with the test.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	address := listen(t, &s.serving, s.Config.Serve)
	s.Addr, s.Host, s.Port = address.String(), address.IP.String(), address.Port
	if s.Config.TLSConfig != nil {
		s.AddrTLS = listen(t, &s.serving, s.Config.ServeTLS).String()
	}
	t.Cleanup(func() { s.Close(t) })
}

// listen serves on a free port of loopback, in the background.
func listen(t testing.TB, serving *sync.WaitGroup, serve func(net.Listener) error) *net.TCPAddr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("pop3test: %v", err)
	}
	serving.Go(func() {
		if err := serve(listener); !errors.Is(err, pop3.ErrServerClosed) && !errors.Is(err, lmtp.ErrServerClosed) {
			t.Errorf("pop3test: the server ended: %v", err)
		}
	})
	return listener.Addr().(*net.TCPAddr)
}

// Close ends the server before the end of the test. It waits five seconds for
// the sessions.
func (s *Server) Close(t testing.TB) {
	t.Helper()
	s.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Config.Shutdown(ctx); err != nil {
			t.Errorf("pop3test: sessions still at work: %v", err)
		}
		s.serving.Wait()
	})
}

// ClientTLS returns a config that trusts the server.
func (s *Server) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: s.RootCAs, ServerName: "localhost", NextProtos: []string{"pop3"}}
}

// AnyPassword returns an authenticator that accepts any user with any password:
// for tests that are about something else.
func AnyPassword() pop3.Authenticator {
	return pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) {
		return login.User, nil
	})
}
