package cassandratest

import (
	"crypto/tls"
	"os"
	"path/filepath"

	"github.com/gocql/gocql"
)

// clientTLS returns what a client connects to the nodes with: nil without TLS.
func (t Topology) clientTLS() *gocql.SslOptions {
	if t.TLS == "" {
		return nil
	}
	return &gocql.SslOptions{
		Config:                 &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS12},
		CaPath:                 filepath.Join(t.TLS, "ca.pem"),
		CertPath:               filepath.Join(t.TLS, "cert.pem"),
		KeyPath:                filepath.Join(t.TLS, "key.pem"),
		EnableHostVerification: true,
	}
}

// nodeTLS returns the client_encryption_options of cassandra.yaml. The
// certificates are in there, and not in files of their own, so that a container
// has them too.
func (t Topology) nodeTLS() (map[string]any, error) {
	var pem [3]string
	for i, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		text, err := os.ReadFile(filepath.Join(t.TLS, name))
		if err != nil {
			return nil, err
		}
		pem[i] = string(text)
	}
	return map[string]any{
		"enabled":             true,
		"optional":            false,
		"require_client_auth": true,
		"ssl_context_factory": map[string]any{
			"class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory",
			"parameters": map[string]any{"private_key": pem[2] + pem[1], "trusted_certificates": pem[0]},
		},
	}, nil
}
