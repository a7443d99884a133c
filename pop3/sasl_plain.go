package pop3

import (
	"bytes"
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/popcask/popcask/mailbox"
)

// plainExchange is the server's side of PLAIN (RFC 4616). Its one response has
// the authorization identity, the authentication identity and the password,
// with a NUL between each two.
type plainExchange struct{ exchange }

func startPLAIN(s *loginSession, login mailbox.Login) SASLExchange {
	return &plainExchange{exchange{s, login}}
}

func (x *plainExchange) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return nil, false, nil // an empty challenge asks for the response
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 || len(parts[1]) == 0 || hasControl(string(parts[0])+string(parts[1])) || !utf8.Valid(response) {
		return nil, false, malformed("PLAIN")
	}
	x.login.AuthorizationID = string(parts[0])
	x.login.User = string(parts[1])
	x.login.Password = string(parts[2])
	return nil, true, nil
}

// Checks implements [CheckingExchange]: Mailbox checks the password.
func (x *plainExchange) Checks([]byte) bool { return false }

func (x *plainExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.session.Login(ctx, x.login)
}

// maxResponse is the longest response in octets of a mechanism that keeps it while
// it waits for another one.
const maxResponse = 2048

// malformed is the error of a response that breaks the grammar of a mechanism.
// It counts as a failed login.
func malformed(mechanism string) error {
	return fmt.Errorf("%s response is malformed: %w", mechanism, mailbox.ErrAuthFailed)
}
