package pop3

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/xdg-go/scram"
)

// canBind reports whether a login may be bound to the TLS of the connection.
func (c *Conn) canBind() bool {
	state := c.TLS()
	if state == nil {
		return false
	}
	return exporterBinding(state).IsSupported() || c.sentCertificate() != nil || len(state.TLSUnique) > 0
}

// exporterBinding returns the binding tls-exporter, the zero one if there is
// none. The state of another TLS library than crypto/tls has none, and panics
// when it is asked.
func exporterBinding(state *tls.ConnectionState) (binding scram.ChannelBinding) {
	defer func() {
		if recover() != nil {
			binding = scram.ChannelBinding{}
		}
	}()
	binding, _ = scram.NewTLSExporterBinding(state)
	return binding
}

// sentCertificate returns the certificate that the server has sent, nil if it has
// sent none.
func (c *Conn) sentCertificate() []byte {
	if c.certificate == nil {
		return nil
	}
	return c.certificate()
}

// binding returns a channel binding of the connection: tls-exporter (RFC 9266),
// tls-server-end-point or tls-unique (RFC 5929). The last exists before TLS 1.3
// only; for the second the server must have sent its certificate, which it does
// not if the client resumes a session. The first is good for one login on a
// connection (RFC 9266 section 4.1). That there is none is no failed login.
func (c *Conn) binding(kind scram.ChannelBindingType) (binding scram.ChannelBinding, err error) {
	state := c.TLS()
	switch {
	case state == nil:
	case kind == scram.ChannelBindingTLSExporter && c.exported:
		return binding, impossible("tls-exporter was used on this connection: connect again")
	case kind == scram.ChannelBindingTLSExporter:
		binding = exporterBinding(state)
	case kind == scram.ChannelBindingTLSServerEndpoint:
		if certificate, err := x509.ParseCertificate(c.sentCertificate()); err == nil {
			binding, _ = scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}})
		}
	case kind == scram.ChannelBindingTLSUnique:
		binding = scram.NewTLSUniqueBinding(state.TLSUnique)
	}
	if !binding.IsSupported() {
		return binding, impossible("no such channel binding on this connection")
	}
	return binding, nil
}
