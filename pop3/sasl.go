package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// auth answers AUTH (RFC 5034). Without an argument it lists the mechanisms, as
// clients older than CAPA expect.
func (c *Conn) auth(ctx context.Context, a arguments) error {
	session, ok := c.session.(SASLSession)
	if !ok {
		return impossible("AUTH is not offered here")
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
		return impossible("no such mechanism")
	}
	var response []byte
	if hasInitial {
		var err error
		if response, err = decodeInitial(strings.TrimLeft(initial, " ")); err != nil {
			return err
		}
	}
	login := c.login(mechanism)
	var exchange SASLExchange
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		exchange, err = session.StartSASL(ctx, mechanism, login)
		return err
	})
	if c.isHijacked() {
		return nil // whatever it says: see execute
	}
	if err != nil {
		return c.loginFailed(ctx, login, fmt.Errorf("start %s: %w", mechanism, err))
	}
	wasBraked, asked, err := c.exchange(ctx, exchange, login, response)
	if isBrokenOff(err) || c.isHijacked() {
		return c.breakOff(err, asked)
	}
	login.User = exchange.User()
	if err != nil {
		return c.loginFailed(ctx, login, err)
	}
	run := c.braked
	if wasBraked {
		run = c.unbraked
	}
	return c.logIn(ctx, login, run, exchange.Mailbox)
}

// isBrokenOff reports whether the client broke an exchange off: before anything
// was checked, or by its end. Neither is answered as a failed login.
func isBrokenOff(err error) bool {
	var end *ended
	var wrong mistake
	var cannot impossible
	return errors.As(err, &end) || errors.As(err, &wrong) || errors.As(err, &cannot)
}

// breakOff counts an exchange that was broken off after the host had been asked
// about a response: a client could ask for ever, and never prove anything.
func (c *Conn) breakOff(err error, asked bool) error {
	var end *ended
	if !asked || c.isHijacked() || errors.As(err, &end) {
		return err
	}
	c.failed++
	if netserver.Reached(c.failed, c.server.limit.authTries) {
		return &Error{Text: "too many failed logins", Close: true, Err: errNeverProven}
	}
	return err
}

var errNeverProven = errors.New("pop3: too many logins were broken off")

// exchange runs a mechanism to its end. The brake is asked once, before the
// first response is checked. asked reports whether the host has seen a response.
func (c *Conn) exchange(ctx context.Context, x SASLExchange, login mailbox.Login, response []byte) (wasBraked, asked bool, err error) {
	for {
		asked = asked || response != nil
		var challenge []byte
		var done bool
		next := func(ctx context.Context) (err error) {
			challenge, done, err = x.Next(ctx, response)
			return err
		}
		run := runner(c.unbraked)
		switch {
		case response == nil || wasBraked:
		case checks(x, response):
			wasBraked, login.User = true, x.User()
			run = c.braked
		case makesKeys(x):
			run = c.inTurn
		}
		err = run(ctx, login, next)
		if c.isHijacked() {
			return wasBraked, asked, nil // whatever it says: see execute
		}
		if err != nil {
			return wasBraked, asked, err
		}
		if done && challenge == nil {
			return wasBraked, asked, nil
		}
		c.out.strings("+ ", base64.StdEncoding.EncodeToString(challenge), "\r\n")
		if response, err = c.response(ctx); err != nil {
			if wasBraked && !done {
				login.User = x.User()
				err = c.brokenOff(ctx, login, err)
			}
			return wasBraked, asked, err
		}
		if done {
			if len(response) > 0 {
				return wasBraked, asked, mistake("an empty line was expected")
			}
			return wasBraked, asked, nil
		}
	}
}

// response reads what the client answers to a challenge.
func (c *Conn) response(ctx context.Context) ([]byte, error) {
	line, err := c.readLine(ctx, c.server.limit.sasl)
	if err != nil {
		return nil, c.endOfInput(ctx, err)
	}
	if string(line) == "*" {
		return nil, impossible("AUTH cancelled")
	}
	return decode(string(line))
}

// brokenOff returns the error of an exchange that the client broke off after a
// check, by err. That is a failed login: the challenge may have said that the
// proof is wrong (RFC 7628 section 3.2.3).
func (c *Conn) brokenOff(ctx context.Context, login mailbox.Login, err error) error {
	failed := fmt.Errorf("broken off after a check: %w", mailbox.ErrAuthFailed)
	if end, is := err.(*ended); is {
		c.loginFailed(ctx, login, failed) // nobody is left to answer
		return end
	}
	return failed
}

// checks reports whether a response of an exchange is checked, and not only
// read.
func checks(x SASLExchange, response []byte) bool {
	c, ok := x.(CheckingExchange)
	return !ok || c.Checks(response)
}

// makesKeys reports whether a response that is not checked may cost as much as a
// check: the keys of SCRAM are made for the challenge, of a password that is kept
// as it is.
func makesKeys(x SASLExchange) bool {
	_, is := x.(*scramExchange)
	return is
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
