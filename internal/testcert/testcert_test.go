package testcert

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that trusts the authority, and no other, takes the certificate under
// each of its names, whether it comes from memory or from files.
func TestCertificate(t *testing.T) {
	c, err := New("mail.test")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, c.WriteFiles(dir))
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	require.NoError(t, err)
	require.Equal(t, c.Server.PrivateKey, pair.PrivateKey)
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))
	require.True(t, roots.Equal(c.Roots))

	other, err := NewFor("other.test", "192.0.2.1")
	require.NoError(t, err)
	require.NoError(t, other.Server.Leaf.VerifyHostname("192.0.2.1"))
	require.Error(t, other.Server.Leaf.VerifyHostname("127.0.0.1"))
	for _, leaf := range []*x509.Certificate{c.Server.Leaf, pair.Leaf} {
		for _, name := range []string{"localhost", "127.0.0.1", "::1", "mail.test"} {
			_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots})
			require.NoError(t, err, name)
			_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: other.Roots})
			require.Error(t, err, "another authority")
		}
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: "other.test", Roots: roots})
		require.Error(t, err)
		_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		require.NoError(t, err)
	}
}
