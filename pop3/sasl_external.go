package pop3

import (
	"context"

	"github.com/popcask/popcask/mailbox"
)

// externalExchange is the server's side of EXTERNAL (RFC 4422 appendix A): the
// client has proved itself by a certificate, and may say as whom it wants to
// act.
type externalExchange struct{ exchange }

func startEXTERNAL(s *loginSession, login mailbox.Login) SASLExchange {
	return &externalExchange{exchange{s, login}}
}

// hasCertificate reports whether the client has shown a certificate that
// tls.Config.ClientCAs vouches for.
func (s *loginSession) hasCertificate() bool {
	if s.conn == nil {
		return false
	}
	state := s.conn.TLS()
	return state != nil && len(state.VerifiedChains) > 0
}

func (x *externalExchange) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return nil, false, nil
	}
	if hasControl(string(response)) {
		return nil, false, malformed("EXTERNAL")
	}
	x.login.AuthorizationID = string(response)
	return nil, true, nil
}

// Checks implements [CheckingExchange]: Mailbox looks at the certificate.
func (x *externalExchange) Checks([]byte) bool { return false }

// User is the identity that the client asked for, since its own is in the
// certificate.
func (x *externalExchange) User() string { return x.login.AuthorizationID }

func (x *externalExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.session.proven(ctx, x.login, x.session.Authenticator.(Certificates).AuthenticateCertificate)
}
