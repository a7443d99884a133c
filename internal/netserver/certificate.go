package netserver

import (
	"context"
	"crypto/tls"
	"errors"
)

// certificateKey is the key of a context's note.
type certificateKey struct{}

// NoteCertificate returns a context for the handshake of a server whose config
// is [Secured], and a function that returns the certificate that the handshake
// has sent, in DER form. It is nil if none was sent, as when the client resumes
// an earlier session: crypto/tls does not tell a server which one it was.
func NoteCertificate(ctx context.Context) (context.Context, func() []byte) {
	var note []byte
	return context.WithValue(ctx, certificateKey{}, &note), func() []byte { return note }
}

// noteCertificates makes the handshakes of a config note their certificates.
func noteCertificates(config *tls.Config) {
	certificates, get := config.Certificates, config.GetCertificate
	config.Certificates = nil
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		chosen, err := choose(hello, certificates, get)
		if note, ok := hello.Context().Value(certificateKey{}).(*[]byte); ok && err == nil && len(chosen.Certificate) > 0 {
			*note = chosen.Certificate[0]
		}
		return chosen, err
	}
}

// choose is how crypto/tls chooses a certificate, without the deprecated
// NameToCertificate.
func choose(hello *tls.ClientHelloInfo, certificates []tls.Certificate,
	get func(*tls.ClientHelloInfo) (*tls.Certificate, error),
) (*tls.Certificate, error) {
	if get != nil && (len(certificates) == 0 || hello.ServerName != "") {
		if chosen, err := get(hello); chosen != nil || err != nil {
			return chosen, err
		}
	}
	if len(certificates) == 0 {
		return nil, errors.New("tls: no certificates configured")
	}
	if len(certificates) == 1 {
		return &certificates[0], nil
	}
	for i := range certificates {
		if hello.SupportsCertificate(&certificates[i]) == nil {
			return &certificates[i], nil
		}
	}
	return &certificates[0], nil
}
