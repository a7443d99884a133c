package pop3

import (
	"context"
	"unicode/utf8"

	"github.com/popcask/popcask/mailbox"
)

// anonymousExchange is the server's side of ANONYMOUS (RFC 4505): a text by
// which the client may say who it is, which proves nothing.
type anonymousExchange struct{ exchange }

func startANONYMOUS(s *loginSession, login mailbox.Login) SASLExchange {
	return &anonymousExchange{exchange{s, login}}
}

// maxTrace is the longest trace in characters (RFC 4505 section 2).
const maxTrace = 255

func (x *anonymousExchange) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return nil, false, nil
	}
	trace := string(response)
	if !utf8.ValidString(trace) || utf8.RuneCountInString(trace) > maxTrace || hasControl(trace) {
		return nil, false, malformed("ANONYMOUS")
	}
	x.login.User = trace
	return nil, true, nil
}

// Checks implements [CheckingExchange]: there is nothing to check.
func (x *anonymousExchange) Checks([]byte) bool { return false }

// User is nobody: what the client says that it is proves nothing, and must not
// count as a login of that user.
func (x *anonymousExchange) User() string { return "" }

func (x *anonymousExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.session.proven(ctx, x.login, x.session.Authenticator.(Anonymous).AuthenticateAnonymous)
}
