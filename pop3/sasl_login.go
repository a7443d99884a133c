package pop3

import (
	"context"

	"github.com/popcask/popcask/mailbox"
)

// loginExchange is the server's side of LOGIN, which is older than PLAIN and in
// no RFC: the server asks for the name and then for the password. Some clients
// send the name at once.
type loginExchange struct {
	exchange
	named bool
}

func startLOGIN(s *loginSession, login mailbox.Login) SASLExchange {
	return &loginExchange{exchange: exchange{s, login}}
}

func (x *loginExchange) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	text := string(response)
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case x.named:
		x.login.Password = text
		return nil, true, nil
	case text == "" || len(text) > maxResponse || hasControl(text):
		return nil, false, malformed("LOGIN")
	}
	x.login.User, x.named = text, true
	return []byte("Password:"), false, nil
}

// Checks implements [CheckingExchange]: Mailbox checks the password.
func (x *loginExchange) Checks([]byte) bool { return false }

func (x *loginExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.session.Login(ctx, x.login)
}
