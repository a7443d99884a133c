package driver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/gocql/gocql"
)

// ErrLogin says that a node refuses the login, or demands one.
var ErrLogin = errors.New("no login")

// ErrTLS says that a node and this program do not agree on TLS.
var ErrTLS = errors.New("no TLS")

// refusal is why a node that answers takes no connection of this program, or
// why this program does not trust the node. The kind is ErrLogin or ErrTLS.
type refusal struct {
	text        string
	kind, cause error
}

func (r *refusal) Error() string   { return r.text + ": " + r.cause.Error() }
func (r *refusal) Unwrap() []error { return []error{r.kind, r.cause} }

// refusals notes why nodes take no connections while a link is opened. gocql
// knows, but makes one text of it, or says only that no connection was made.
type refusals struct {
	next gocql.ConnectObserver // that of the host; may be nil
	ssl  *gocql.SslOptions     // nil without TLS

	mu    sync.Mutex
	first *refusal // since a connection was made
}

// ObserveConnect implements [gocql.ConnectObserver].
func (r *refusals) ObserveConnect(seen gocql.ObservedConnect) {
	if r.next != nil {
		r.next.ObserveConnect(seen)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case seen.Err == nil:
		r.first = nil
	case r.first == nil:
		r.first = refused(seen.Host.HostnameAndPort(), seen.Err, r.ssl)
	}
}

// explain returns the refusal, if there is one, in place of gocql's error.
func (r *refusals) explain(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first != nil {
		return r.first
	}
	return err
}

// refused returns what the error of a connection to a node says. It returns nil
// if the node may just be down.
func refused(node string, err error, ssl *gocql.SslOptions) *refusal {
	var (
		answer  gocql.RequestError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid *tls.CertificateVerificationError
		record  tls.RecordHeaderError
	)
	say := func(kind error, format string) *refusal {
		return &refusal{fmt.Sprintf(format, node), kind, err}
	}
	switch {
	case errors.As(err, &answer) && answer.Code() == gocql.ErrCodeCredentials:
		return say(ErrLogin, "node %s refuses the user name or the password")
	case strings.HasPrefix(err.Error(), "authentication required"): // of gocql v1.7.0, a text only
		return say(ErrLogin, "node %s demands a user name and a password")
	case errors.As(err, &unknown):
		return say(ErrTLS, "the certificate of node %s is signed by an authority that is not trusted here")
	case errors.As(err, &name):
		return say(ErrTLS, "the certificate of node %s is not for the name that it must have")
	case errors.As(err, &invalid):
		return say(ErrTLS, "the certificate of node %s is not valid")
	case errors.As(err, &record):
		return say(ErrTLS, "node %s answers without TLS")
	case strings.HasPrefix(err.Error(), "tls: "):
		return say(ErrTLS, "no TLS connection with node %s")
	case !ended(err):
		return nil
	case ssl == nil:
		return say(ErrTLS, "node %s ended the connection before it answered, as nodes do that demand TLS")
	case !hasCertificate(ssl):
		return say(ErrTLS, "node %s ended the connection, as nodes do that demand a certificate of their clients")
	}
	return say(ErrTLS, "node %s ended the connection, as nodes do that do not trust the certificate of their client")
}

// ended reports whether the node ended a connection that it had taken. What a
// node that demands TLS sends before that is no CQL.
func ended(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &op) && op.Op != "dial" && !op.Timeout() ||
		strings.Contains(err.Error(), "unsupported protocol response version")
}

// hasCertificate reports whether a client has a certificate to show.
func hasCertificate(ssl *gocql.SslOptions) bool {
	return ssl.CertPath != "" || ssl.Config != nil && (len(ssl.Config.Certificates) > 0 || ssl.Config.GetClientCertificate != nil)
}
