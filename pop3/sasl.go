package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// auth answers AUTH (RFC 5034). Without an argument it lists the mechanisms, as
// clients older than CAPA expect.
func (c *Conn) auth(ctx context.Context, a arguments) error {
	session, ok := c.session.(SASLSession)
	if !ok {
		return mistake("AUTH is not offered here")
	}
	if a.text == "" {
		c.out.strings("+OK mechanisms follow\r\n")
		for _, mechanism := range c.mechanisms() {
			c.listLine(mechanism)
		}
		c.out.strings(".\r\n")
		return nil
	}
	mechanism, initial, hasInitial := strings.Cut(a.text, " ")
	mechanism = strings.ToUpper(mechanism)
	switch {
	case slices.Contains(c.mechanisms(), mechanism):
	case slices.Contains(session.Mechanisms(), mechanism):
		return errNeedsTLS
	default:
		return mistake("no such mechanism")
	}
	var response []byte
	if hasInitial {
		var err error
		if response, err = decodeInitial(strings.TrimLeft(initial, " ")); err != nil {
			return err
		}
	}
	login := c.login(mechanism)
	exchange, err := c.startSASL(ctx, session, mechanism, login)
	if err != nil {
		return c.loginFailed(login, fmt.Errorf("start %s: %w", mechanism, err))
	}
	var end *ended
	var wrong mistake
	switch err := c.exchange(ctx, exchange, response); {
	case err == nil:
	case errors.As(err, &end), errors.As(err, &wrong): // no attempt: the client broke it off
		return err
	default:
		return c.loginFailed(login, err)
	}
	login.User = exchange.User()
	return c.logIn(ctx, login, func(ctx context.Context) (mailbox.Mailbox, error) {
		return exchange.Mailbox(ctx)
	})
}

func (c *Conn) startSASL(ctx context.Context, s SASLSession, mechanism string, login mailbox.Login) (SASLExchange, error) {
	deadline := c.startDeadline(ctx)
	defer deadline.stop()
	exchange, err := s.StartSASL(deadline.ctx, mechanism, login)
	return exchange, deadline.explain(err)
}

// exchange runs a mechanism to its end.
func (c *Conn) exchange(ctx context.Context, x SASLExchange, response []byte) error {
	for {
		challenge, done, err := c.nextChallenge(ctx, x, response)
		if err != nil {
			return err
		}
		if done && challenge == nil {
			return nil
		}
		c.out.strings("+ ", base64.StdEncoding.EncodeToString(challenge), "\r\n")
		line, err := c.readLine(c.server.limit.sasl)
		if err != nil {
			return c.endOfInput(err)
		}
		if string(line) == "*" {
			return mistake("AUTH cancelled")
		}
		if response, err = decode(string(line)); err != nil {
			return err
		}
		if done {
			if len(response) > 0 {
				return mistake("an empty line was expected")
			}
			return nil
		}
	}
}

func (c *Conn) nextChallenge(ctx context.Context, x SASLExchange, response []byte) ([]byte, bool, error) {
	deadline := c.startDeadline(ctx)
	defer deadline.stop()
	challenge, done, err := x.Next(deadline.ctx, response)
	return challenge, done, deadline.explain(err)
}

// decodeInitial decodes an initial response. A lone "=" is an empty one (RFC
// 5034 section 4).
func decodeInitial(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	return decode(text)
}

// decode decodes base64. Without an error it never returns nil, since an empty
// response is not the same as none.
func decode(text string) ([]byte, error) {
	response := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(response, []byte(text))
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, mistake("not base64")
	}
	return response[:n], nil
}
