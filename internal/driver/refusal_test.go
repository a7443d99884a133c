package driver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/testcert"
)

// What goes wrong with TLS is named. Certificates, handshakes and what the
// server then does are real; examples/mda has the same with a node.
func TestRefusalsOfTLS(t *testing.T) {
	good, err := testcert.NewFor("localhost")
	require.NoError(t, err)
	other, err := testcert.NewFor("localhost")
	require.NoError(t, err)
	server := &tls.Config{
		Certificates: []tls.Certificate{good.Server}, ClientCAs: good.Roots, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}
	client := func(change func(*tls.Config)) *tls.Config {
		c := &tls.Config{RootCAs: good.Roots, ServerName: "localhost", Certificates: []tls.Certificate{good.Server}, MinVersion: tls.VersionTLS12}
		change(c)
		return c
	}
	for _, test := range []struct {
		server, client *tls.Config // nil: without TLS
		want           string      // "" if there is an answer
	}{
		{server, client(func(*tls.Config) {}), ""},
		{nil, nil, ""},
		{server, client(func(c *tls.Config) { c.RootCAs = other.Roots }), "the certificate of node N is signed by an authority that is not trusted here: tls: "},
		{server, client(func(c *tls.Config) { c.ServerName = "127.0.0.1" }), "the certificate of node N is not for the name that it must have: tls: "},
		{server, client(func(c *tls.Config) { c.Time = func() time.Time { return time.Now().AddDate(1, 0, 0) } }), "the certificate of node N is not valid: tls: "},
		{server, client(func(c *tls.Config) { c.Certificates = nil }), "node N ended the connection, as nodes do that demand a certificate of their clients: "},
		{server, client(func(c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &other.Server, nil }
		}), "node N ended the connection, as nodes do that do not trust the certificate of their client: "},
		{nil, client(func(*tls.Config) {}), "no TLS connection with node N: "}, // it sends back what it gets
		{server, nil, "node N ended the connection before it answered, as nodes do that demand TLS: "},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%q TLS %x", test.want, version), func(t *testing.T) {
				var ssl *gocql.SslOptions
				if test.client != nil {
					ssl = &gocql.SslOptions{Config: test.client.Clone()}
					ssl.Config.MaxVersion = version
				}
				_, err := dialed(dialEcho(t, test.server), ssl)
				if test.want == "" {
					require.NoError(t, err)
					return
				}
				refused := refused("N", err, ssl)
				require.NotNil(t, refused, "%v", err)
				require.ErrorIs(t, refused, ErrTLS)
				require.ErrorContains(t, refused, test.want)
			})
		}
	}
	timeout := &net.OpError{Op: "read", Err: errTimeout{}}
	var record tls.RecordHeaderError
	require.EqualError(t, refused("N", record, nil), "node N answers without TLS: tls: ")
	for _, err := range []error{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, timeout, errors.New("gocql: no response to connection startup within timeout")} {
		require.Nil(t, refused("N", err, nil), "the node may just be down")
	}
}

// dialed sends the header of a frame to a server that sends it back.
func dialed(conn net.Conn, ssl *gocql.SslOptions) (int, error) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if ssl != nil {
		conn = tls.Client(conn, ssl.Config)
	}
	header := []byte{4, 0, 0, 0, 5, 0, 0, 0, 0} // OPTIONS, of protocol 4
	if _, err := conn.Write(header); err != nil {
		return 0, err
	}
	return io.ReadFull(conn, header)
}

type errTimeout struct{}

func (errTimeout) Error() string { return "time-out" }
func (errTimeout) Timeout() bool { return true }

// P8: connecting with TLS to a node that takes connections and says nothing
// ends, without a context that does.
func TestP8TLSToASilentNode(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	began := time.Now()
	_, err = Connect(t.Context(), Config{
		Hosts: []string{silent.Addr().String()}, LocalDC: "dc1", TLS: &tls.Config{ServerName: "localhost"}, ConnectTimeout: 200 * time.Millisecond,
	})
	require.ErrorContains(t, err, "no node of "+silent.Addr().String()+" answers: ")
	require.NotErrorIs(t, err, ErrTLS)
	require.Less(t, time.Since(began), 5*time.Second)
}
