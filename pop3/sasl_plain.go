package pop3

import (
	"bytes"
	"context"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// plainExchange is the server's side of PLAIN (RFC 4616). Its one response has
// the authorization identity, the authentication identity and the password,
// with a NUL between each two.
type plainExchange struct {
	login mailbox.Login
	open  func(context.Context, mailbox.Login) (mailbox.Mailbox, error)
}

func (x *plainExchange) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return nil, false, nil // an empty challenge asks for the response
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 || len(parts[1]) == 0 || hasControl(string(parts[0])+string(parts[1])) {
		return nil, false, fmt.Errorf("PLAIN response is malformed: %w", mailbox.ErrAuthFailed)
	}
	x.login.AuthorizationID = string(parts[0])
	x.login.User = string(parts[1])
	x.login.Password = string(parts[2])
	return nil, true, nil
}

// Checks implements [CheckingExchange]: Mailbox checks the password.
func (x *plainExchange) Checks() bool { return false }

func (x *plainExchange) User() string { return x.login.User }

func (x *plainExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.open(ctx, x.login)
}
