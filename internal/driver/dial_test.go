package driver

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/testcert"
)

// P8: closing a connection that the end of its link has closed already is no
// error, in the clear and with TLS. gocql would wait forever for a lock of its
// own.
func TestP8ClosingWhatIsClosed(t *testing.T) {
	certificate, err := testcert.New()
	require.NoError(t, err)
	for name, conn := range map[string]func(net.Conn) net.Conn{
		"TCP":   func(c net.Conn) net.Conn { return c },
		"other": func(c net.Conn) net.Conn { return struct{ net.Conn }{c} },
	} {
		t.Run(name, func(t *testing.T) {
			life, end := context.WithCancel(t.Context())
			plain := tie(conn(dialEcho(t, nil)), life)
			secure := tls.Client(tie(conn(dialEcho(t, &tls.Config{Certificates: []tls.Certificate{certificate.Server}})), life),
				&tls.Config{RootCAs: certificate.Roots, ServerName: "localhost"})
			for _, c := range []net.Conn{plain, secure} {
				_, err := c.Write([]byte("x"))
				require.NoError(t, err)
				_, err = io.ReadFull(c, make([]byte, 1))
				require.NoError(t, err)
			}
			end()
			for _, c := range []net.Conn{plain, secure} {
				_, err := c.Read(make([]byte, 1)) // waits until it is closed
				require.Error(t, err)
				require.NoError(t, c.Close())
			}
		})
	}
}

// dialEcho connects to a server that sends back what it gets.
func dialEcho(t *testing.T, config *tls.Config) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	echoes := make(chan struct{})
	t.Cleanup(func() { <-echoes })
	go func() {
		defer close(echoes)
		conn, err := listener.Accept()
		listener.Close()
		if err != nil {
			return
		}
		if config != nil {
			conn = tls.Server(conn, config)
		}
		io.Copy(conn, conn)
		conn.Close()
	}()
	conn, err := net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second)
	if err != nil {
		listener.Close()
	}
	require.NoError(t, err)
	return conn
}
