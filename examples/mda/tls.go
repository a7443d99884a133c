package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/popcask/popcask/internal/latest"
)

// openCertificate returns the certificate of this program, nil if no flag asks
// for TLS.
func (o options) openCertificate(log *slog.Logger) (*latest.Latest[*tls.Certificate], error) {
	switch {
	case o.tlsCert != "":
		return latest.New(log, o.loadCertificate, o.tlsCert, o.tlsKey)
	case o.tlsSelfSigned:
		return latest.New(log, func() (*tls.Certificate, error) {
			certificate, err := selfSigned(time.Now())
			if err != nil {
				return nil, fmt.Errorf("-tls-self-signed: %w", err)
			}
			return &certificate, nil
		})
	}
	return nil, nil
}

func (o options) loadCertificate() (*tls.Certificate, error) {
	certificate, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("-tls-cert, -tls-key: %w", err)
	}
	return &certificate, nil
}

// tlsConfig is nil if the certificate is. Each handshake uses the certificate
// that is the latest then.
func tlsConfig(certificate *latest.Latest[*tls.Certificate]) *tls.Config {
	if certificate == nil {
		return nil
	}
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.Get(), nil },
		MinVersion:     tls.VersionTLS12,
	}
}

// selfSigned makes a certificate for this machine, for tests: no client has a
// reason to trust it.
func selfSigned(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"Popcask, self-signed"}},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if name, err := os.Hostname(); err == nil && name != "localhost" {
		template.DNSNames = append(template.DNSNames, name)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
