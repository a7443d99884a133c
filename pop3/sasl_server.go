package pop3

import (
	"context"
	"errors"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// SASLServer is the server's side of a SASL mechanism as
// github.com/emersion/go-sasl and others have it. The response is nil if the
// client has sent none.
type SASLServer interface {
	Next(response []byte) (challenge []byte, done bool, err error)
}

// NewMechanism makes a [Mechanism] of a SASLServer, for [WithMechanism]. start
// begins an exchange. When the server has checked the client's proof, its
// callback sets proven.User to the user that the client is, and
// proven.AuthorizationID if the client asked to act for somebody; the exchange
// fails if User is still empty at its end.
//
// An error of the server is a wrong login, unless [errors.Is] finds
// [mailbox.ErrTemporary], [mailbox.ErrPermanent] or the error of a context. So is
// a panic: a client must not be able to end a program by a response that its
// library did not expect.
func NewMechanism(name string, start func(ctx context.Context, proven *mailbox.Login) (SASLServer, error)) Mechanism {
	return Mechanism{name, func(ctx context.Context, login mailbox.Login, open OpenFunc) (SASLExchange, error) {
		x := &serverExchange{login: login, open: open}
		var err error
		x.server, err = start(ctx, &x.login)
		return x, err
	}}
}

// serverExchange is the exchange of a SASLServer.
type serverExchange struct {
	server SASLServer
	login  mailbox.Login
	open   OpenFunc
}

func (x *serverExchange) Next(_ context.Context, response []byte) (challenge []byte, done bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			challenge, done, err = nil, false, fmt.Errorf("%s: panic: %v: %w", x.login.Mechanism, p, mailbox.ErrAuthFailed)
		}
	}()
	challenge, done, err = x.server.Next(response)
	if err != nil {
		return nil, false, asWrongLogin(err)
	}
	if done && x.login.User == "" {
		return nil, false, fmt.Errorf("%s proved no user: %w", x.login.Mechanism, mailbox.ErrAuthFailed)
	}
	return challenge, done, nil
}

// asWrongLogin makes a wrong login of an error that does not say that it is
// something else.
func asWrongLogin(err error) error {
	for _, other := range []error{mailbox.ErrTemporary, mailbox.ErrPermanent, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, other) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", err, mailbox.ErrAuthFailed)
}

func (x *serverExchange) User() string { return x.login.User }

func (x *serverExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.open(ctx, x.login, x.login.User)
}
