package netserver

import (
	"context"
	"crypto/tls"
	"net"
)

// TLSConn is a [tls.Conn], or the like of another TLS library.
type TLSConn interface {
	net.Conn
	ConnectionState() tls.ConnectionState
	HandshakeContext(context.Context) error
}

// Secured returns a config for a server: with TLS 1.2 as the oldest version, and
// these protocols as the only names of ALPN, so that a browser that was led here
// is refused. What GetConfigForClient returns gets the same. A handshake notes
// its certificate: see [NoteCertificate].
func Secured(config *tls.Config, protocols ...string) *tls.Config {
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = protocols
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			return Secured(chosen, protocols...), nil
		}
	}
	noteCertificates(config)
	return config
}
